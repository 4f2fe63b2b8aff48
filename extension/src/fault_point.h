/*
 * Places where the fault suite (test/faults) lets a backend die, fail or wait, and bugs that it must find. Both exist
 * only in the libraries that the suite builds for itself; in any other the macros below are nothing and the conditions
 * false.
 */
#ifndef SHOP_FAULT_POINT_H
#define SHOP_FAULT_POINT_H

/*
 * FAULT_POINT names a place, "unit.place", as a string literal. In a library built by `make FAULT_POINTS=1` a backend
 * that gets there looks for the file pg_shop_fault_point in the data folder. The file holds the name of a place and an
 * action:
 *
 *   crash   the backend ends by SIGKILL, so that the server restarts as after any crash
 *   error   it raises an error, as if memory had run out (53200)
 *   pause   it renames the file to pg_shop_fault_point.paused and waits until somebody removes that
 *
 * Whoever acts removes the file first, so that an action happens once. Each unit also has the places before_commit and
 * after_commit, which the transaction's end passes: before the commit is written, and once it is on disk but not yet
 * told.
 */
#ifdef FAULT_POINTS
#define FAULT_POINT(place) fault_point(place)

/* fault_point does what is armed for this place. Errors: 53200 where that is the action, 57014 when cancelled in a
 * pause. */
extern void fault_point(const char *place);

/* fault_points_register makes the ends of transactions fault points. Called once per process. */
extern void fault_points_register(void);
#else
#define FAULT_POINT(place)      ((void)0)
#define fault_points_register() ((void)0)
#endif

/* Bugs to build into a library by `make PLANTED_BUG=name`, one at a time, to see that the suite reports them. */
#define BUG_NO_STOCK_LOCK     1 /* what is decided and written is a level that was read before it was locked */
#define BUG_NO_SETTLE_CHECK   2 /* a payment that is told twice is taken twice */
#define BUG_NO_STORED_ANSWER  3 /* a checkout forgets the answer for its key */
#define BUG_NO_OUTBOX_MESSAGE 4 /* an order is committed without its message */

#ifndef PLANTED_BUG
#define PLANTED_BUG 0
#endif

#endif
