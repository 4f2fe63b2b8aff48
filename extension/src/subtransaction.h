/*
 * Errors that are answers: what may fail for a reason that a caller has to be told runs in a subtransaction, which
 * undoes it and leaves the transaction usable.
 */
#ifndef SHOP_SUBTRANSACTION_H
#define SHOP_SUBTRANSACTION_H

/*
 * subtransaction_try runs action(argument) in a subtransaction of its own and in the current memory context.
 *
 * Returns NULL when it succeeded. Otherwise all that it wrote is undone and the error is returned, allocated in the
 * current memory context: the caller raises it again (ReThrowError) unless it is one that he expects.
 */
extern ErrorData *subtransaction_try(void (*action)(void *argument), void *argument);

#endif
