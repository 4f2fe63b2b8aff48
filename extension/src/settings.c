#include "postgres.h"

#include "utils/guc.h"

#include "settings.h"

#define IDEMPOTENCY_WAIT_DEFAULT 2000
#define IDEMPOTENCY_WAIT_MAX     60000

int setting_idempotency_wait = IDEMPOTENCY_WAIT_DEFAULT;

void settings_register(void) {
    DefineCustomIntVariable(
        "shop.idempotency_wait", "Sets how long a request waits for a running one with the same Idempotency-Key.",
        "After that it is answered 409. Zero answers at once.", &setting_idempotency_wait, IDEMPOTENCY_WAIT_DEFAULT, 0,
        IDEMPOTENCY_WAIT_MAX, PGC_SUSET, GUC_UNIT_MS, NULL, NULL, NULL);
#if PG_VERSION_NUM >= 150000
    MarkGUCPrefixReserved("shop");
#else
    EmitWarningsOnPlaceholders("shop");
#endif
}
