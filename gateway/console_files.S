/* The console's files in the program: of each its bytes, its entity tag (quotes included, with a NUL) and its size. */

#ifdef __CET__
#include <cet.h> /* as in embedded.S */
#endif

        .section .rodata

        .macro embed symbol, name
        .global console_bytes_\symbol
        .type console_bytes_\symbol, %object
console_bytes_\symbol:
        .incbin "\name"
        .size console_bytes_\symbol, . - console_bytes_\symbol

        .global console_etag_\symbol
        .type console_etag_\symbol, %object
console_etag_\symbol:
        .incbin "\name\().etag"
        .byte 0
        .size console_etag_\symbol, . - console_etag_\symbol

        .balign 8
        .global console_size_\symbol
        .type console_size_\symbol, %object
console_size_\symbol:
        .8byte console_etag_\symbol - console_bytes_\symbol
        .size console_size_\symbol, 8
        .endm

#define CONSOLE_FILE(symbol, name, type) embed symbol, name
#include "console_files.def"

        .section .note.GNU-stack, "", %progbits
