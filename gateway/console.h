/*
 * GET /console/: the operations console, a page that uses the public API alone. Its files lie in the program.
 */
#ifndef SHOP_GATEWAY_CONSOLE_H
#define SHOP_GATEWAY_CONSOLE_H

struct request;

/*
 * console_handle answers 200 with the page, or 304 to a client that has it. Without the slash at the end of the path,
 * from which the page's relative addresses count, it answers 308 to the path with one; the Location is relative, so
 * that a prefix that a proxy takes off stays (RFC 9110 section 10.2.2).
 */
void console_handle(struct request *request);

/* console_file_handle answers with one of the page's files, 304 to a client that has it, or 404. */
void console_file_handle(struct request *request);

#endif
