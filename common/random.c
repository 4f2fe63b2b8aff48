#include "random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

void random_bytes(void *out, size_t size) {
    ssize_t got;

    do {
        got = getrandom(out, size, 0);
    } while (got < 0 && errno == EINTR);
    if (got != (ssize_t)size) {
        abort();
    }
}

uint32_t random_below(uint32_t limit) {
    uint32_t number = 0;

    if (limit == 0) {
        return 0;
    }
    random_bytes(&number, sizeof(number));
    return number % limit;
}

void random_uuid(char out[UUID_TEXT_SIZE]) {
    unsigned char b[16];

    random_bytes(b, sizeof(b));
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40); /* version 4 */
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80); /* variant of RFC 9562 */
    snprintf(out, UUID_TEXT_SIZE, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}
