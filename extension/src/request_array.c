#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/typcache.h"

#include "compat.h"
#include "errors.h"
#include "request_array.h"

RequestArray request_array_read(FunctionCallInfo fcinfo, int number, int field_count) {
    ArrayType *argument;
    RequestArray array;
    TypeCacheEntry *type;
    bool *nulls;

    if (PG_ARGISNULL(number))
        raise_invalid_argument("requests", "It must be an array.");
    argument = PG_GETARG_ARRAYTYPE_P(number);
    type = lookup_type_cache(ARR_ELEMTYPE(argument), TYPECACHE_TUPDESC);
    if (type->tupDesc == NULL || type->tupDesc->natts != field_count)
        elog(ERROR, "the type of the requests is not as this library knows it");
    deconstruct_array(argument, type->type_id, type->typlen, type->typbyval, type->typalign, &array.elements, &nulls,
                      &array.count);
    if (array.count > BATCH_MAX)
        raise_invalid_argument("requests", "A batch has at most 1000 requests.");
    for (int i = 0; i < array.count; i++)
        if (nulls[i])
            raise_invalid_argument("requests", "It must not contain NULL.");
    array.descriptor = type->tupDesc;
    return array;
}

void request_array_fields(const RequestArray *array, int index, RequestFields *fields) {
    HeapTupleHeader header = DatumGetHeapTupleHeader(array->elements[index]);
    HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(header), .t_data = header};

    Assert(array->descriptor->natts <= (int)lengthof(fields->values));
    heap_deform_tuple(&tuple, array->descriptor, fields->values, fields->nulls);
}

char *field_text(const RequestFields *fields, int field) {
    return fields->nulls[field] ? NULL : TextDatumGetCString(fields->values[field]);
}

int64 field_int64(const RequestFields *fields, int field) {
    return fields->nulls[field] ? 0 : DatumGetInt64(fields->values[field]);
}

int32 field_int32(const RequestFields *fields, int field) {
    return fields->nulls[field] ? 0 : DatumGetInt32(fields->values[field]);
}

void responses_begin(FunctionCallInfo fcinfo) {
    compat_materialize_result(fcinfo);
}

void responses_add(FunctionCallInfo fcinfo, const Response *response) {
    ReturnSetInfo *result = (ReturnSetInfo *)fcinfo->resultinfo;
    Datum values[RESPONSE_COLUMNS];
    bool nulls[RESPONSE_COLUMNS];

    response_columns(response, values, nulls);
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}
