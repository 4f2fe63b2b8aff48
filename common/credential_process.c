/*
 * Credentials from the output of a program.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "allocation.h"
#include "clock.h"
#include "credential_sources.h"

#define TIMEOUT_MS   60000
#define OUTPUT_LIMIT 65536

/* start runs the command with its output on a pipe, in a process group of its own and with no signal blocked. Returns
 * an errno. */
static int start(const char *command, pid_t *child, int *output) {
    char *const arguments[] = {"sh", "-c", (char *)command, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    int ends[2], failure;

    if (pipe2(ends, O_CLOEXEC) != 0) {
        return errno;
    }
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    failure = posix_spawn(child, "/bin/sh", &actions, &attributes, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    close(ends[1]);
    if (failure != 0) {
        close(ends[0]);
    } else {
        *output = ends[0];
    }
    return failure;
}

/* read_output reads until the program closes its output; false when it takes too long or writes too much. */
static bool read_output(int output, char *text) {
    int64_t deadline = clock_monotonic_ms() + TIMEOUT_MS;
    size_t length = 0;

    for (;;) {
        struct pollfd wait = {.fd = output, .events = POLLIN};
        int remaining_ms = clock_remaining_ms(deadline, clock_monotonic_ms());
        ssize_t got;

        if (remaining_ms == 0 || length == OUTPUT_LIMIT) {
            return false;
        }
        if (poll(&wait, 1, remaining_ms) <= 0) {
            continue;
        }
        got = read(output, text + length, OUTPUT_LIMIT - length);
        if (got == 0) {
            text[length] = '\0';
            return true;
        }
        if (got > 0) {
            length += (size_t)got;
        } else if (errno != EINTR) {
            return false;
        }
    }
}

static bool has_version_1(const char *text) {
    json_t *answer = json_loads(text, 0, NULL);
    bool right = json_integer_value(json_object_get(answer, "Version")) == 1;

    json_decref(answer);
    return right;
}

enum credential_search credential_process(const char *command, struct aws_credentials *found, char *error,
                                          size_t error_size) {
    char *text = memory_allocate(OUTPUT_LIMIT + 1);
    int output = -1, status = 0, failure;
    bool complete, usable;
    pid_t child = -1;

    failure = start(command, &child, &output);
    if (failure != 0) {
        snprintf(error, error_size, "credential_process cannot be started: %s", strerror(failure));
        free(text);
        return CREDENTIALS_BROKEN;
    }
    complete = read_output(output, text);
    close(output);
    if (!complete) {
        kill(-child, SIGKILL);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    usable = complete && WIFEXITED(status) && WEXITSTATUS(status) == 0 && has_version_1(text) &&
             credential_json_read(text, "SessionToken", found);
    if (!usable) {
        snprintf(error, error_size, "credential_process %s",
                 !complete ? "did not end in time or wrote too much"
                 : !WIFEXITED(status) || WEXITSTATUS(status) != 0
                     ? "failed"
                     : "gave no credentials in the JSON format of Version 1");
    }
    OPENSSL_cleanse(text, OUTPUT_LIMIT);
    free(text);
    return usable ? CREDENTIALS_FOUND : CREDENTIALS_BROKEN;
}
