#include "backoff.h"

#include "random.h"

int64_t backoff_ceiling_ms(int64_t base_ms, int64_t maximum_ms, int tries) {
    int64_t ceiling = base_ms;
    int i;

    if (ceiling <= 0) {
        return 0;
    }
    for (i = 1; i < tries && ceiling < maximum_ms; i++) {
        ceiling *= 2;
    }
    return ceiling < maximum_ms ? ceiling : maximum_ms;
}

int64_t backoff_jitter_ms(int64_t ceiling_ms, double fraction) {
    return (int64_t)((double)(ceiling_ms + 1) * fraction);
}

int64_t backoff_delay_ms(int64_t base_ms, int64_t maximum_ms, int tries) {
    return backoff_jitter_ms(backoff_ceiling_ms(base_ms, maximum_ms, tries), backoff_random_fraction());
}

double backoff_random_fraction(void) {
    uint64_t bits = 0;

    random_bytes(&bits, sizeof(bits));
    return (double)(bits >> 11) / 9007199254740992.0; /* the 53 bits that a double holds exactly, over 2^53 */
}
