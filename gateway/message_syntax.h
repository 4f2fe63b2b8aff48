/*
 * The syntax of what clients send, checked byte by byte (RFC 9112 sections 2 to 7) before the HTTP library reads it.
 *
 * libmicrohttpd 0.9.75 is lenient where a proxy in front may read differently, which is what request smuggling needs:
 * it takes bare line feeds, folded headers, NUL, two lengths, a length and chunks; it takes a line without a name for
 * the head's end, and turns in circles when a line within a chunked body is longer than its buffer. What it refuses by
 * itself it answers with a page of HTML. Therefore everything that the gateway has to say about the shape of a message
 * is said here, and what passes is read by the library just as it was read here.
 *
 * The library holds all of a head in a buffer that each connection has from its begin to its end, so that buffer has to
 * be as large as the largest head. Therefore what nobody reads is left out of what the library gets: headers that are
 * not among those of message_syntax_reads, and trailers; and each '?' of the target becomes MESSAGE_QUERY_MARK, so that
 * the library does not take the parameters apart, which request_target does.
 */
#ifndef SHOP_GATEWAY_MESSAGE_SYNTAX_H
#define SHOP_GATEWAY_MESSAGE_SYNTAX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the method and the target that are kept, for the log. */
#define MESSAGE_LINE_KEPT 256

/* Longest request line, its end not counted; RFC 9112 section 3 asks for 8,000 at least. */
#define MESSAGE_LINE_LIMIT 8190

/*
 * Largest head, and largest trailer behind a chunked body. Bytes are counted, and MESSAGE_FIELD_WEIGHT more for each
 * header, query parameter and cookie, those of cookies twice: so their number is limited, too.
 */
#define MESSAGE_HEAD_LIMIT    16000
#define MESSAGE_TRAILER_LIMIT 1024
#define MESSAGE_FIELD_WEIGHT  72

/* What the library gets of a head: bytes, and MESSAGE_FIELD_WEIGHT more for each header, which it needs to hold it. */
#define MESSAGE_KEPT_LIMIT 12000

/* Stands for a '?' of a target. No client can send it: control characters are refused. */
#define MESSAGE_QUERY_MARK '\x01'

/* Longest name of a header that is read, the NUL counted. */
#define MESSAGE_NAME_KEPT 32

/* Longest line of a chunk's size, with the extensions that nobody reads (RFC 9112 section 7.1.1 asks for a limit). */
#define MESSAGE_CHUNK_LINE_LIMIT 256

/* Bytes of a field's value that are kept, the NUL counted: enough for a request id. */
#define MESSAGE_VALUE_KEPT 132

struct message_fault {
    unsigned status;
    const char *code;
    const char *message; /* for the client */
};

/* Of a body that is larger than its route takes, or than any can be. */
extern const struct message_fault message_body_too_large;

enum message_state {
    MESSAGE_START, /* between two messages */
    MESSAGE_METHOD,
    MESSAGE_TARGET,
    MESSAGE_VERSION,
    MESSAGE_LINE_END, /* a carriage return was read */
    MESSAGE_FIELD_START,
    MESSAGE_FIELD_NAME,
    MESSAGE_FIELD_VALUE,
    MESSAGE_HEAD_END, /* the carriage return of the empty line was read */
    MESSAGE_BODY,
    MESSAGE_CHUNK_SIZE,
    MESSAGE_CHUNK_EXTENSION,
    MESSAGE_CHUNK_DATA,
    MESSAGE_CHUNK_END,
};

/* Headers of which only one may exist. */
enum single_field {
    FIELD_HOST,
    FIELD_CONTENT_LENGTH,
    FIELD_TRANSFER_ENCODING,
    FIELD_AUTHORIZATION,
    FIELD_IDEMPOTENCY_KEY,
    SINGLE_FIELDS,
};

struct message_syntax {
    enum message_state state;
    enum message_state after_line;  /* what follows the line feed */
    bool in_trailer;                /* the fields are those after the last chunk */
    size_t head_size;               /* so far, see MESSAGE_HEAD_LIMIT */
    size_t kept_size;               /* so far, see MESSAGE_KEPT_LIMIT */
    bool leaves_out;                /* the field, from its name to the end of its line */
    size_t empty_lines;             /* before the message */
    char name[MESSAGE_NAME_KEPT];   /* of the field; longer ones are cut */
    char value[MESSAGE_VALUE_KEPT]; /* of the field, blanks in front left out; longer ones are cut */
    size_t name_size;               /* of the whole name */
    size_t value_size;              /* of the whole value, as kept */
    bool has[SINGLE_FIELDS];        /* these headers were read */
    bool is_http_1_0;
    const struct message_fault *head_fault; /* of a header or several; told at the head's end */
    char request_id[MESSAGE_VALUE_KEPT];    /* the first X-Request-Id, "" without; it may be malformed or cut */
    char traceparent[MESSAGE_VALUE_KEPT];   /* likewise, but never cut */
    uint64_t left;                          /* bytes of the body or the chunk still to come */
    size_t digits;                          /* of the chunk's size, zeros in front not counted */
    size_t chunk_line_size;                 /* so far */
    char line[MESSAGE_LINE_KEPT];           /* method, blank, target: as much as fits, NUL at the end */
    size_t line_size;                       /* of the request line so far */
    size_t version_size;
};

/*
 * message_syntax_feed reads the next bytes of a connection. Returns NULL, or the fault that ends the connection; then
 * *whole is the number of bytes that belong to the messages before the faulty one (0 when that began in earlier bytes),
 * and must not be called again. After NULL, *whole is size.
 */
const struct message_fault *message_syntax_feed(struct message_syntax *syntax, const char *data, size_t size,
                                                size_t *whole);

/*
 * message_syntax_sift reads in the same way and writes to out what the library gets: up to size + MESSAGE_NAME_KEPT
 * bytes, because a name is withheld until its end decides about it. *kept is how many they are, and *whole how many of
 * these belong to messages that are complete, where NULL is returned too.
 */
const struct message_fault *message_syntax_sift(struct message_syntax *syntax, const char *data, size_t size, char *out,
                                                size_t *kept, size_t *whole);

/* message_syntax_reads tells whether a header of this name is given to the library. */
bool message_syntax_reads(const char *name);

/* message_syntax_line gives method and target of the message being read, cut to what is kept; each may be "". Both
 * point into the syntax, whose line is cut in two by this. */
void message_syntax_line(struct message_syntax *syntax, const char **method, const char **target);

#endif
