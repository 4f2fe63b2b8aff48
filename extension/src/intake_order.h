/*
 * What the tables keep of an intake order: the order itself, and beside it the document with the id that the client or
 * producer gave it. Whoever writes or compares holds the lock on that id (intake_lock.h).
 */
#ifndef SHOP_INTAKE_ORDER_H
#define SHOP_INTAKE_ORDER_H

#include "postgres.h"

#include "arguments.h"
#include "intake_document.h"
#include "tables.h"

/* Where an order came from. */
#define INTAKE_SOURCE_API   "api"
#define INTAKE_SOURCE_QUEUE "queue"

/* intake_meaning gives the canonical text of what an intake order asks for; its fingerprint tells one from another. */
extern const char *intake_meaning(const IntakeDocument *document);

/* intake_find finds what is kept of the order that has this id already; NULL when none has. */
extern Row *intake_find(Tables *tables, const RequestContext *context, const char *external_id);

/* intake_is_same tells whether the kept document asks for the same. fingerprint: FINGERPRINT_SIZE bytes. */
extern bool intake_is_same(const Row *intake, const uint8 *fingerprint);

/*
 * intake_write adds the order in status QUEUED with its document. source: INTAKE_SOURCE_... Counting the order by
 * orders_count is the caller's. Returns the row of the order.
 */
extern Row *intake_write(Tables *tables, const RequestContext *context, const IntakeDocument *document,
                         const uint8 *fingerprint, const char *source);

#endif
