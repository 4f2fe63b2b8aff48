#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/latch.h"

#include "compat.h"
#include "fault_point.h"

#ifdef FAULT_POINTS

/* In the data folder, which is every backend's working folder. */
#define ARMED_FILE  "pg_shop_fault_point"
#define PAUSED_FILE "pg_shop_fault_point.paused"

/* Milliseconds between two looks at a file that somebody else will remove. */
#define PAUSE_LOOK_MS 10

#define PLACE_MAX 64

/* The unit of work that this transaction is in: what its latest place is called up to the dot. "" outside of any. */
static char unit[PLACE_MAX];

/* read_armed reads place and action of the file; false when there is none. */
static bool read_armed(char place[PLACE_MAX], char action[PLACE_MAX]) {
    char text[2 * PLACE_MAX];
    int file = BasicOpenFile(ARMED_FILE, O_RDONLY);
    ssize_t length;

    if (file < 0)
        return false;
    length = read(file, text, sizeof(text) - 1);
    close(file);
    if (length <= 0)
        return false;
    text[length] = '\0';
    return sscanf(text, "%63s %63s", place, action) == 2;
}

/* pause_here waits until the file of the pause is removed. */
static void pause_here(void) {
    while (access(PAUSED_FILE, F_OK) == 0) {
        (void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, PAUSE_LOOK_MS, PG_WAIT_EXTENSION);
        ResetLatch(MyLatch);
        CHECK_FOR_INTERRUPTS();
    }
}

/* act_at does what is armed for the place; once: of several backends, the one that removes the file acts. */
static void act_at(const char *place) {
    char armed[PLACE_MAX];
    char action[PLACE_MAX];

    if (!read_armed(armed, action) || strcmp(armed, place) != 0)
        return;
    if (strcmp(action, "pause") == 0) {
        if (rename(ARMED_FILE, PAUSED_FILE) == 0)
            pause_here();
        return;
    }
    if (unlink(ARMED_FILE) != 0)
        return;
    if (strcmp(action, "crash") == 0)
        kill(MyProcPid, SIGKILL);
    ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("fault point %s", place)));
}

void fault_point(const char *place) {
    const char *dot = strchr(place, '.');

    strlcpy(unit, place, Min(sizeof(unit), (size_t)(dot == NULL ? (long)strlen(place) : dot - place) + 1));
    act_at(place);
}

/* at_end is told of the transaction's end; places of it are passed only where a unit of work was begun. */
static void at_end(XactEvent event, void *arg) {
    if (unit[0] == '\0')
        return;
    if (event == XACT_EVENT_PRE_COMMIT)
        act_at(psprintf("%s.before_commit", unit));
    else if (event == XACT_EVENT_COMMIT)
        act_at(psprintf("%s.after_commit", unit));
    if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT)
        unit[0] = '\0';
}

void fault_points_register(void) {
    RegisterXactCallback(at_end, NULL);
}

#endif
