#include "postgres.h"

#include <limits.h>

#include "utils/guc.h"

#include "compat.h"
#include "settings.h"

#define SECONDS_PER_HOUR 3600
#define SECONDS_PER_DAY  (24 * SECONDS_PER_HOUR)

int setting_idempotency_wait;
int setting_pending_order_ttl;

/* Read in SQL by current_setting(); the variables are where PostgreSQL keeps the values. */
static int dead_letter_retention;
static int idempotency_retention;
static int inbox_retention;
static int outbox_retention;

typedef struct IntegerSetting {
    const char *name;
    const char *short_description;
    const char *long_description;
    int *variable;
    int boot_value;
    int minimum;
    int maximum;
    int unit;
} IntegerSetting;

/* Alphabetical. All of them are business limits, so only superusers and who they allow may change them. */
static const IntegerSetting settings[] = {
    {"shop.dead_letter_retention", "Sets how long closed dead letters are kept.", "Open ones are kept until closed.",
     &dead_letter_retention, 90 * SECONDS_PER_DAY, SECONDS_PER_DAY, INT_MAX, GUC_UNIT_S},
    {"shop.idempotency_retention", "Sets how long answers are kept for their Idempotency-Key.",
     "After that a key is new again.", &idempotency_retention, 72 * SECONDS_PER_HOUR, SECONDS_PER_DAY, INT_MAX,
     GUC_UNIT_S},
    {"shop.idempotency_wait", "Sets how long a request waits for a running one with the same Idempotency-Key.",
     "After that it is answered 409. Zero answers at once.", &setting_idempotency_wait, 2000, 0, 60000, GUC_UNIT_MS},
    {"shop.inbox_retention", "Sets how long events of payment providers are remembered against duplicates.",
     "Providers repeat events for some days.", &inbox_retention, 30 * SECONDS_PER_DAY, SECONDS_PER_DAY, INT_MAX,
     GUC_UNIT_S},
    {"shop.outbox_retention", "Sets how long delivered messages are kept in the outbox.",
     "Messages that are not delivered are kept.", &outbox_retention, 7 * SECONDS_PER_DAY, 0, INT_MAX, GUC_UNIT_S},
    {"shop.pending_order_ttl", "Sets the age from which an order that nobody pays expires.",
     "Not while a payment attempt has no final outcome or holds money, or its message is not delivered. Zero: never.",
     &setting_pending_order_ttl, SECONDS_PER_DAY, 0, INT_MAX, GUC_UNIT_S},
};

void settings_register(void) {
    for (int i = 0; i < (int)lengthof(settings); i++) {
        const IntegerSetting *setting = &settings[i];

        DefineCustomIntVariable(setting->name, setting->short_description, setting->long_description, setting->variable,
                                setting->boot_value, setting->minimum, setting->maximum, PGC_SUSET, setting->unit, NULL,
                                NULL, NULL);
    }
    compat_reserve_settings("shop");
}
