/*
 * Batches: an array of composite requests as an argument, and an answer for each of them as the result. The array must
 * hold no NULL and at most BATCH_MAX elements.
 */
#ifndef SHOP_REQUEST_ARRAY_H
#define SHOP_REQUEST_ARRAY_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "fmgr.h"

#include "response.h"

#define BATCH_MAX 1000

/* An array argument, taken apart. */
typedef struct RequestArray {
    int count;
    Datum *elements;
    TupleDesc descriptor;
} RequestArray;

/* The fields of one request. */
typedef struct RequestFields {
    Datum values[16];
    bool nulls[16];
} RequestFields;

/*
 * request_array_read takes the array argument "requests" apart. field_count: how many fields the composite type has, at
 * most 16. Raises SH005 for NULL, for a NULL in it and for more than BATCH_MAX requests.
 */
extern RequestArray request_array_read(FunctionCallInfo fcinfo, int number, int field_count);

/* request_array_fields gives the fields of one request, valid as long as the argument. */
extern void request_array_fields(const RequestArray *array, int index, RequestFields *fields);

/* field_text copies a text field; NULL for SQL NULL. field_int64 and field_int32 give the value, or 0 for SQL NULL. */
extern char *field_text(const RequestFields *fields, int field);
extern int64 field_int64(const RequestFields *fields, int field);
extern int32 field_int32(const RequestFields *fields, int field);

/* responses_begin makes the function's result a set of shop.response, responses_add adds one to it. */
extern void responses_begin(FunctionCallInfo fcinfo);
extern void responses_add(FunctionCallInfo fcinfo, const Response *response);

#endif
