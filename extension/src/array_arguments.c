#include "postgres.h"

#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "array_arguments.h"
#include "errors.h"

int array_argument_count(FunctionCallInfo fcinfo, int number, const char *name, const char *elements) {
    ArrayType *array;
    int count;

    if (PG_ARGISNULL(number))
        raise_invalid_argument(name, "It must be an array.");
    array = PG_GETARG_ARRAYTYPE_P(number);
    count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
    if (count > BATCH_MAX)
        raise_invalid_argument(name, psprintf("A batch has at most %d %s.", BATCH_MAX, elements));
    return count;
}

ArrayColumn array_argument(FunctionCallInfo fcinfo, int number, const char *name, Oid type, int count) {
    ArrayColumn column = {0};
    int16 length;
    bool by_value;
    char alignment;
    int elements;

    if (PG_ARGISNULL(number))
        return column;
    get_typlenbyvalalign(type, &length, &by_value, &alignment);
    deconstruct_array(PG_GETARG_ARRAYTYPE_P(number), type, length, by_value, alignment, &column.values, &column.nulls,
                      &elements);
    if (elements != count)
        raise_invalid_argument(name, "The arrays must be of one length.");
    return column;
}

bool column_is_null(const ArrayColumn *column, int row) {
    return column->nulls == NULL || column->nulls[row];
}

char *column_text(const ArrayColumn *column, int row) {
    return column_is_null(column, row) ? NULL : TextDatumGetCString(column->values[row]);
}

int64 column_int64(const ArrayColumn *column, int row) {
    return column_is_null(column, row) ? 0 : DatumGetInt64(column->values[row]);
}

static int compare_ids(const void *left, const void *right) {
    int64 a = *(const int64 *)left;
    int64 b = *(const int64 *)right;

    return a < b ? -1 : a > b;
}

int ids_sort(int64 *ids, int count) {
    int kept = 0;

    qsort(ids, count, sizeof(int64), compare_ids);
    for (int i = 0; i < count; i++)
        if (kept == 0 || ids[i] != ids[kept - 1])
            ids[kept++] = ids[i];
    return kept;
}

int ids_place(const int64 *ids, int count, int64 id) {
    const int64 *place = bsearch(&id, ids, count, sizeof(int64), compare_ids);

    if (place == NULL)
        raise_invariant_lost("An id of a batch is not among its ids.");
    return (int)(place - ids);
}
