/* Files that the gateway serves and that lie in the program itself; embedded.h says what is what. */

#ifdef __CET__
#include <cet.h> /* marks this file as good for control-flow protection, which a program only is as a whole */
#endif

        .section .rodata

        .global embedded_openapi
        .type embedded_openapi, %object
embedded_openapi:
        .incbin "openapi.served.json"
1:      .byte 0
        .size embedded_openapi, . - embedded_openapi

        .global embedded_openapi_etag
        .type embedded_openapi_etag, %object
embedded_openapi_etag:
        .incbin "openapi.etag"
        .byte 0
        .size embedded_openapi_etag, . - embedded_openapi_etag

        .global embedded_docs_script
        .type embedded_docs_script, %object
embedded_docs_script:
        .incbin "docs.js"
2:      .byte 0
        .size embedded_docs_script, . - embedded_docs_script

        .balign 8
        .global embedded_openapi_size
        .type embedded_openapi_size, %object
embedded_openapi_size:
        .8byte 1b - embedded_openapi
        .size embedded_openapi_size, 8

        .global embedded_docs_script_size
        .type embedded_docs_script_size, %object
embedded_docs_script_size:
        .8byte 2b - embedded_docs_script
        .size embedded_docs_script_size, 8

        .section .note.GNU-stack, "", %progbits
