#include "hash_thread.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "password.h"
#include "random.h"

struct hash_job {
    struct hash_job *next;
    bool make; /* a new hash instead of a check */
    bool unknown_account;
    char *password;
    char hash[PASSWORD_HASH_SIZE]; /* to check against; or made */
    enum hash_outcome outcome;
    hash_callback *callback;
    void *context;
};

struct job_list {
    struct hash_job *first;
    struct hash_job *last;
};

struct hash_thread {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    int event_fd;
    int job_count; /* queued, running or waiting for their callbacks; event loop only */
    bool stopping; /* under lock, as the lists; only the event loop's thread sets it */
    struct job_list queued;
    struct job_list finished;
};

static void append(struct job_list *list, struct hash_job *job) {
    job->next = NULL;
    if (list->last != NULL) {
        list->last->next = job;
    } else {
        list->first = job;
    }
    list->last = job;
}

static struct hash_job *take_first(struct job_list *list) {
    struct hash_job *job = list->first;

    if (job != NULL) {
        list->first = job->next;
        if (list->first == NULL) {
            list->last = NULL;
        }
    }
    return job;
}

static void free_job(struct hash_job *job) {
    if (job->password != NULL) {
        explicit_bzero(job->password, strlen(job->password));
    }
    free(job->password);
    free(job);
}

/* run_job does the work of a job. unmatched: the hash to work on where there is no account. */
static void run_job(struct hash_job *job, const char *unmatched) {
    bool matched;

    if (job->make) {
        job->outcome = password_hash(job->password, job->hash) ? HASH_DONE : HASH_FAILED;
        return;
    }
    matched = password_verify(job->password, job->unknown_account ? unmatched : job->hash);
    job->outcome = matched && !job->unknown_account ? HASH_DONE : HASH_MISMATCH;
}

/* next_job waits for a job; NULL when the thread is to end. */
static struct hash_job *next_job(struct hash_thread *thread) {
    struct hash_job *job;

    pthread_mutex_lock(&thread->lock);
    while (thread->queued.first == NULL && !thread->stopping) {
        pthread_cond_wait(&thread->wake, &thread->lock);
    }
    job = thread->stopping ? NULL : take_first(&thread->queued);
    pthread_mutex_unlock(&thread->lock);
    return job;
}

static void finish_job(struct hash_thread *thread, struct hash_job *job) {
    uint64_t one = 1;

    pthread_mutex_lock(&thread->lock);
    append(&thread->finished, job);
    pthread_mutex_unlock(&thread->lock);
    if (write(thread->event_fd, &one, sizeof(one)) < 0) {
        return; /* the counter is at its limit: the loop is awake already */
    }
}

static void *thread_main(void *argument) {
    struct hash_thread *thread = argument;
    char unmatched[PASSWORD_HASH_SIZE];
    char secret[UUID_TEXT_SIZE];
    struct hash_job *job;

    random_uuid(secret);
    if (!password_hash(secret, unmatched)) {
        abort(); /* without yescrypt nobody could ever sign in */
    }
    while ((job = next_job(thread)) != NULL) {
        run_job(job, unmatched);
        finish_job(thread, job);
    }
    return NULL;
}

struct hash_thread *hash_thread_start(void) {
    struct hash_thread *thread = calloc(1, sizeof(*thread));
    sigset_t all, before;
    int failed;

    if (thread == NULL) {
        return NULL;
    }
    thread->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (thread->event_fd < 0) {
        free(thread);
        return NULL;
    }
    pthread_mutex_init(&thread->lock, NULL);
    pthread_cond_init(&thread->wake, NULL);
    sigfillset(&all); /* signals belong to the event loop */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(&thread->thread, NULL, thread_main, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0) {
        close(thread->event_fd);
        free(thread);
        return NULL;
    }
    return thread;
}

int hash_thread_fd(const struct hash_thread *thread) {
    return thread->event_fd;
}

/* queue_job copies the texts and hands the job over; false when there is no room. */
static bool queue_job(struct hash_thread *thread, const struct hash_job *draft, const char *password,
                      const char *hash) {
    struct hash_job *job;

    if (thread->job_count >= HASH_QUEUE_LIMIT || thread->stopping) {
        return false;
    }
    job = malloc(sizeof(*job));
    if (job == NULL) {
        return false;
    }
    *job = *draft;
    job->password = strdup(password);
    if (job->password == NULL) {
        free(job);
        return false;
    }
    if (hash != NULL) {
        memcpy(job->hash, hash, strlen(hash) + 1);
    }
    thread->job_count++;
    pthread_mutex_lock(&thread->lock);
    append(&thread->queued, job);
    pthread_cond_signal(&thread->wake);
    pthread_mutex_unlock(&thread->lock);
    return true;
}

bool hash_thread_verify(struct hash_thread *thread, const char *password, const char *hash, hash_callback *callback,
                        void *context) {
    struct hash_job draft = {.callback = callback, .context = context};

    if (hash != NULL && strlen(hash) >= PASSWORD_HASH_SIZE) {
        hash = NULL; /* no hash of ours: nothing can match it */
    }
    draft.unknown_account = hash == NULL;
    return queue_job(thread, &draft, password, hash);
}

bool hash_thread_make(struct hash_thread *thread, const char *password, hash_callback *callback, void *context) {
    struct hash_job draft = {.make = true, .callback = callback, .context = context};

    return queue_job(thread, &draft, password, NULL);
}

/* answer_job calls back and frees the job. */
static void answer_job(struct hash_thread *thread, struct hash_job *job) {
    thread->job_count--;
    job->callback(job->context, job->outcome, job->make && job->outcome == HASH_DONE ? job->hash : NULL);
    free_job(job);
}

/* take_finished gives the next finished job. */
static struct hash_job *take_finished(struct hash_thread *thread) {
    struct hash_job *job;

    pthread_mutex_lock(&thread->lock);
    job = take_first(&thread->finished);
    pthread_mutex_unlock(&thread->lock);
    return job;
}

void hash_thread_process(struct hash_thread *thread) {
    struct hash_job *job;
    uint64_t count;

    if (read(thread->event_fd, &count, sizeof(count)) < 0) {
        return; /* nothing has finished since the last time */
    }
    while ((job = take_finished(thread)) != NULL) {
        answer_job(thread, job);
    }
}

void hash_thread_stop(struct hash_thread *thread) {
    struct hash_job *job;

    if (thread == NULL) {
        return;
    }
    pthread_mutex_lock(&thread->lock);
    thread->stopping = true;
    pthread_cond_signal(&thread->wake);
    pthread_mutex_unlock(&thread->lock);
    pthread_join(thread->thread, NULL);
    while ((job = take_first(&thread->finished)) != NULL) {
        answer_job(thread, job);
    }
    while ((job = take_first(&thread->queued)) != NULL) {
        job->outcome = HASH_FAILED;
        answer_job(thread, job);
    }
}

void hash_thread_free(struct hash_thread *thread) {
    if (thread == NULL) {
        return;
    }
    close(thread->event_fd);
    pthread_mutex_destroy(&thread->lock);
    pthread_cond_destroy(&thread->wake);
    free(thread);
}
