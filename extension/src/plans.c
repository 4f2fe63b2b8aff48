#include "postgres.h"

#include "utils/builtins.h"

#include "installation.h"
#include "plans.h"

/* How the plans between plans_begin and plans_end are run; they do not nest. */
static PlanUse current_use;

void plans_begin(PlanUse use) {
    MemoryContext caller = CurrentMemoryContext;

    require_migrated();
    current_use = use;
    if (SPI_connect() != SPI_OK_CONNECT)
        elog(ERROR, "SPI_connect failed");
    /* SPI's own context goes with plans_end; what the caller makes of the results has to outlive it. */
    MemoryContextSwitchTo(caller);
}

void plans_end(void) {
    if (SPI_finish() != SPI_OK_FINISH)
        elog(ERROR, "SPI_finish failed");
}

/* prepare makes the plan at its first use; it is remembered only once it is kept. */
static void prepare(KeptPlan *plan) {
    SPIPlanPtr prepared =
        SPI_prepare_cursor(plan->sql, plan->argument_count, plan->argument_types, CURSOR_OPT_GENERIC_PLAN);

    if (prepared == NULL || SPI_keepplan(prepared) != 0)
        elog(ERROR, "could not prepare statement \"%s\": %s", plan->name, SPI_result_code_string(SPI_result));
    plan->prepared = prepared;
}

int64 plan_run(KeptPlan *plan, Datum *values, const char *nulls) {
    int result;

    if (plan->prepared == NULL)
        prepare(plan);
    result = SPI_execute_plan(plan->prepared, values, nulls, current_use == PLANS_READ, 0);
    if (result != plan->expected)
        elog(ERROR, "statement \"%s\" returned %s", plan->name, SPI_result_code_string(result));
    return (int64)SPI_processed;
}

bool plan_is_null(int64 row, int column) {
    bool is_null;

    SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &is_null);
    return is_null;
}

Datum plan_datum(int64 row, int column) {
    bool is_null;
    Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &is_null);

    if (is_null)
        elog(ERROR, "column %d of a result is unexpectedly null", column);
    return value;
}

int32 plan_int32(int64 row, int column) {
    return DatumGetInt32(plan_datum(row, column));
}

int64 plan_int64(int64 row, int column) {
    return DatumGetInt64(plan_datum(row, column));
}

char *plan_text(int64 row, int column) {
    return TextDatumGetCString(plan_datum(row, column));
}
