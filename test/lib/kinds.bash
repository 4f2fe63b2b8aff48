# shellcheck shell=bash
# The kinds of tests that test/run knows. kind_NAME FILTER runs one: it writes a line "ok ..." or "not ok ..." per test to
# shellcheck disable=SC2154 # test/run sets what is used here and not assigned
# $tally and returns other than 0 when the kind could not run. They are called where `set -e` has no effect, so every
# command that matters says what happens when it fails. Needs root, check_dir, tally, quick, terminal.bash, cluster.bash.

jobs=$(nproc)

# build_once NAME COMMAND...: runs a build at most once in a run, and shows its last words only when it fails.
build_once() {
    local name=$1 log=$check_dir/results/build-$1.log
    shift
    [[ " ${built:-} " != *" $name "* ]] || return 0
    if ! "$@" >"$log" 2>&1; then
        tail -n 60 "$log"
        note "the build '$name' failed"
        return 1
    fi
    built="${built:-} $name"
}

build_shipped() {
    build_once shipped make -j "$jobs" --no-print-directory all PG_CONFIG="$(pg_config_path)"
}

build_extension() {
    build_once extension make -j "$jobs" --no-print-directory -C extension all PG_CONFIG="$(pg_config_path)"
}

# One after the other: gateway and poller share the library in common/.
build_sanitized() {
    build_once sanitized-gateway make -j "$jobs" --no-print-directory -C gateway SANITIZE=1 all &&
        build_once sanitized-poller make -j "$jobs" --no-print-directory -C poller SANITIZE=1 all
}

# start_cluster: the private cluster with its template database, once in a run.
start_cluster() {
    [[ -z ${socket:-} ]] || return 0
    build_extension &&
        build_once install-extension make --no-print-directory install-extension PG_CONFIG="$(pg_config_path)" &&
        socket=$("$root/test/lib/cluster" create "$check_dir/cluster")
}

# new_database NAME: a copy of the template.
new_database() {
    cluster_psql "$(realpath "$check_dir/cluster")" postgres -c "DROP DATABASE IF EXISTS $1" -c "CREATE DATABASE $1 TEMPLATE shop_template"
}

# report ok|failed NAME: the result of a check of ours.
report() {
    if [[ $1 == ok ]]; then
        echo "ok - $2" >>"$tally"
        note "ok      $2"
    else
        echo "not ok - $2" >>"$tally"
        note "${red}failed${normal}  $2"
    fi
}

# check NAME COMMAND...: passes when the command ends with 0; its last words are shown when it does not.
check() {
    local name=$1 log=$check_dir/results/check.log
    shift
    if "$@" >"$log" 2>&1; then
        report ok "$name"
    else
        tail -n 60 "$log"
        report failed "$name"
    fi
}

# matching FILTER FILE...: prints the files whose name begins with FILTER.
matching() {
    local filter=$1 file
    shift
    for file in "$@"; do
        [[ ! -e $file || $(basename "$file") != "$filter"* ]] || echo "$file"
    done
}

# --- lint ---------------------------------------------------------------------------------------------------------------

c_files() {
    find common gateway poller extension/src test/unit test/fuzz bench -name '*.[ch]' -not -path '*/build*' -not -path '*/node_modules/*' \
        2>/dev/null | sort
}

program_sources() {
    find common gateway poller bench -name '*.c' -not -path '*/build*' -not -path '*/node_modules/*' | sort
}

shell_files() {
    grep -rlE --exclude-dir=node_modules '^#!/usr/bin/env bash|^# shellcheck shell=bash' scripts test bench .ci | sort
}

# program_flags: prints what a compiler needs to read the programs' sources.
program_flags() {
    echo -std=c11 -D_GNU_SOURCE '-DSHOP_VERSION="0"' '-DPG_SHOP_VERSION="0"' -Icommon -Igateway -Ipoller
    pkg-config --cflags libmicrohttpd libpq gnutls libcurl jansson libjwt libcrypto
}

extension_flags() {
    echo -std=gnu11 -D_GNU_SOURCE '-DPG_SHOP_VERSION="0"' -DFAULT_POINTS -Iextension/src
    echo "-isystem $("$(pg_config_path)" --includedir-server)"
}

# gcc_build: from nothing, so that no warning hides in a file that was built before.
gcc_build() {
    copy_and_build gcc gcc ''
}

# clang_build: PostgreSQL's flags are those of gcc; clang does not know all of them.
clang_build() {
    copy_and_build clang clang '-Wno-unknown-warning-option -Wno-ignored-optimization-argument -Wno-ignored-attributes'
}

# copy_and_build NAME COMPILER EXTENSION_FLAGS: builds everything in a copy, so that built files are not mixed up.
copy_and_build() {
    local copy=$check_dir/$1
    rm -rf "$copy"
    mkdir -p "$copy/test"
    tar -c --exclude='build' --exclude='build-*' --exclude='*.o' --exclude='*.so' --exclude=node_modules META.json common console gateway poller extension bench |
        tar -x -C "$copy"
    make -s -C "$copy/gateway" -j "$jobs" CC="$2" all &&
        make -s -C "$copy/bench" CC="$2" all &&
        make -s -C "$copy/poller" -j "$jobs" CC="$2" all &&
        make -s -C "$copy/extension" -j "$jobs" CC="$2" COPT="$3" PG_CONFIG="$(pg_config_path)" all
}

extension_sources() {
    find extension/src -name '*.c' | sort
}

# tidy SOURCES FLAGS: clang-tidy, several files at a time; both are functions that print them.
tidy() {
    local flags
    flags=$("$2" | tr '\n' ' ')
    # shellcheck disable=SC2016 # the inner shell splits FLAGS into words
    "$1" | FLAGS=$flags xargs -P "$jobs" -n 3 sh -c 'exec clang-tidy --quiet "$@" -- $FLAGS 2>/dev/null' sh
}

cppcheck_programs() {
    cppcheck --quiet --error-exitcode=1 -j "$jobs" --std=c11 --enable=warning,performance,portability --inline-suppr \
        --suppress=missingIncludeSystem -D_GNU_SOURCE -Icommon -Igateway -Ipoller common gateway poller bench/*.c
}

# PostgreSQL's macros that stand where a statement or a declaration is expected are told to cppcheck; its headers are not read.
cppcheck_extension() {
    cppcheck --quiet --error-exitcode=1 -j "$jobs" --std=c11 --enable=warning,performance,portability --inline-suppr \
        --suppress=missingIncludeSystem -D'PG_FUNCTION_INFO_V1(f)=' -D'compat_module_magic(n,v)=' -D'CppAsString2(x)=#x' \
        -D'pg_noreturn=__attribute__((noreturn))' -D'pg_attribute_printf(f,a)=' -Iextension/src extension/src
}

# banned_calls: functions of the C library that have a safer neighbour.
banned_calls() {
    # shellcheck disable=SC2046 # one word per file
    ! grep -nE '\b(sprintf|vsprintf|strcpy|strcat|stpcpy|atoi|atol|atoll|atof|gets|strtok|alloca|sleep|usleep)\(' $(c_files)
}

format_check() {
    # shellcheck disable=SC2046 # one word per file
    clang-format --dry-run -Werror $(c_files)
}

shell_check() {
    # shellcheck disable=SC2046 # one word per file
    shellcheck -x $(shell_files)
}

# unhardened_is_noticed: a program without any of it does not pass.
unhardened_is_noticed() {
    local program=$check_dir/results/unhardened
    gcc -g -no-pie -fcf-protection=none -x c -o "$program" - <<<'int main(void) { return 0; }' && ! test/lib/check-hardening "$program"
}

kind_lint() {
    build_shipped || return 1
    check 'clang-format' format_check
    check 'banned calls' banned_calls
    check 'shellcheck' shell_check
    check 'one version everywhere' scripts/check-version
    check 'README lists what the code has' scripts/check-documents
    check 'every test file is run' test/lib/check-listed
    check 'what ships is hardened' test/lib/check-hardening
    check 'a program that is not hardened is noticed' unhardened_is_noticed
    check 'no secret lies in the tree' test/lib/check-secrets
    check 'a planted secret is noticed' test/lib/check-secrets --planted
    check 'gcc builds everything without a warning' gcc_build
    [[ -z $quick ]] || return 0
    check 'clang builds everything without a warning' clang_build
    check 'cppcheck: programs' cppcheck_programs
    check 'cppcheck: extension' cppcheck_extension
    check 'clang-tidy: programs' tidy program_sources program_flags
    check 'clang-tidy: extension' tidy extension_sources extension_flags
}

# --- unit ---------------------------------------------------------------------------------------------------------------

kind_unit() {
    local part sanitize program output=$check_dir/results/unit.log
    : >"$output"
    for sanitize in 0 1; do
        for part in common gateway poller; do
            build_once "unit-$part-$sanitize" make -j "$jobs" --no-print-directory -C "$part" SANITIZE="$sanitize" unit-tests || return 1
        done
        for program in {common,gateway,poller}/build"$([[ $sanitize == 0 ]] || echo -asan)"/test_*; do
            [[ -x $program && -f $program && $(basename "$program") == "test_${1#test_}"* ]] || continue
            unit_program "$program" || report failed "$program ended with an error"
        done
    done
    note "$(grep -cE '^ok ' "$tally") ok, $(grep -cE '^not ok ' "$tally") failed"
}

# unit_program PROGRAM: runs a cmocka program; returns other than 0 when it died without naming a failed test.
unit_program() {
    local output=$check_dir/results/unit-program.log status=0
    CMOCKA_MESSAGE_OUTPUT=TAP ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 timeout 120 "$1" >"$output" 2>&1 || status=$?
    cat "$output" >>"$tally"
    [[ $status -ne 0 ]] || return 0
    note "$1"
    cat "$output"
    grep -q '^not ok ' "$output"
}

# --- fuzz ---------------------------------------------------------------------------------------------------------------

# fuzz_one NAME: lets libFuzzer look for inputs that break a harness. FUZZ_SEED repeats a run, FUZZ_RUNS is the number of
# inputs. What it finds on its way is no part of the corpus in the repository; an input that breaks something is kept.
fuzz_one() {
    local found=$check_dir/scratch/fuzz/$1
    mkdir -p "$found" "$check_dir/results/fuzz"
    echo "FUZZ_SEED=$fuzz_seed"
    timeout 120 "test/fuzz/build/fuzz_$1" -seed="$fuzz_seed" -runs="$fuzz_runs" -max_len=2048 -timeout=10 -rss_limit_mb=1024 \
        -artifact_prefix="$check_dir/results/fuzz/$1-" "$found" "test/fuzz/corpus/$1"
}

kind_fuzz() {
    local harness name fuzz_seed=${FUZZ_SEED:-$RANDOM} fuzz_runs=${FUZZ_RUNS:-100000}
    build_once fuzz make -j "$jobs" --no-print-directory -C test/fuzz all || return 1
    for harness in test/fuzz/fuzz_*.c; do
        name=$(basename "$harness" .c)
        name=${name#fuzz_}
        [[ $name != "$1"* ]] || check "fuzz_$name: $fuzz_runs inputs" fuzz_one "$name"
    done
}

# --- pgtap and isolation --------------------------------------------------------------------------------------------------

kind_pgtap() {
    local files
    mapfile -t files < <(matching "$1" test/pgtap/*.sql)
    [[ ${#files[@]} -gt 0 ]] || return 1
    start_cluster && new_database pgtap || return 1
    cluster_psql "$(realpath "$check_dir/cluster")" pgtap -c 'CREATE EXTENSION pgtap' || return 1
    if pg_prove -h "$socket" -p 5432 -U postgres -d pgtap --verbose "${files[@]}" >"$tally" 2>&1; then
        note "$(tail -n 2 "$tally" | head -n 1)"
    else
        grep -vE '^ *ok ' "$tally"
        return 1
    fi
}

kind_isolation() {
    local specs names folder status=0 bin
    mapfile -t specs < <(matching "$1" test/isolation/specs/*.spec)
    [[ ${#specs[@]} -gt 0 ]] || return 1
    mapfile -t names < <(basename -a -s .spec "${specs[@]}")
    start_cluster && new_database isolation || return 1
    bin=$(dirname "$("$(pg_config_path)" --pgxs)")/../test/isolation
    folder=$check_dir/results/isolation
    rm -rf "$folder"
    mkdir -p "$folder"
    "$bin/pg_isolation_regress" --inputdir=test/isolation --outputdir="$folder" --bindir="$("$(pg_config_path)" --bindir)" \
        --use-existing --dbname=isolation --host="$socket" --port=5432 --user=postgres \
        "${names[@]}" >"$folder/run.log" 2>&1 || status=$?
    # Before 16 "test NAME ... ok", from then on TAP.
    sed -nE -e 's/^test ([^ ]+) +\.\.\. ok.*/ok - \1/p; s/^test ([^ ]+) +\.\.\. FAILED.*/not ok - \1/p' \
        -e 's/^(not )?ok [0-9]+ +- ([^ ]+).*/\1ok - \2/p' "$folder/run.log" >"$tally"
    if [[ $status -eq 0 ]]; then
        note "$(grep -c '^ok' "$tally") specs ok"
    else
        cat "$folder/run.log" "$folder/regression.diffs" 2>/dev/null
    fi
    return "$status"
}

# --- history, installation, openapi, http, console, poller, dump: Node's test runner ------------------------------------------------

# node_program: prints the Node.js to use: the machine's when it is of version 20 or newer, else one that npm fetches.
node_program() {
    local machine=x64
    if node -e 'process.exit(process.versions.node.split(".")[0] >= 20 ? 0 : 1)' 2>/dev/null; then
        command -v node
        return
    fi
    [[ $(uname -m) != aarch64 ]] || machine=arm64
    if [[ ! -x $check_dir/node/node_modules/node-linux-$machine/bin/node ]]; then
        mkdir -p "$check_dir/node"
        npm install --prefix "$check_dir/node" --no-save --no-audit --no-fund --ignore-scripts "node-linux-$machine@20" \
            >"$check_dir/results/node.log" 2>&1 || {
            cat "$check_dir/results/node.log" >&2
            return 1
        }
    fi
    echo "$check_dir/node/node_modules/node-linux-$machine/bin/node"
}

# install_packages: what test/package-lock.json names, unless it is there.
install_packages() {
    local installed=test/node_modules/.package-lock.json
    [[ ! -e $installed || test/package-lock.json -nt $installed ]] || return 0
    build_once npm npm ci --prefix test --no-audit --no-fund --ignore-scripts
}

# node_tests FILE...: runs test files, some at a time; test_jobs and test_seconds change how many and how long.
node_tests() {
    local node
    node=$(node_program) && install_packages || return 1
    [[ -n ${without_programs:-} ]] || { build_shipped && build_sanitized; } || return 1
    start_cluster || return 1
    mkdir -p "$check_dir/scratch"
    SHOP_TEST_ROOT=$root SHOP_TEST_SOCKET=$socket SHOP_TEST_TEMPLATE=shop_template SHOP_TEST_SCRATCH=$check_dir/scratch \
        SHOP_TEST_PG_BINARIES=$("$(pg_config_path)" --bindir) SHOP_TEST_GATEWAY=$root/gateway/build-asan/shop-gateway \
        SHOP_TEST_POLLER=$root/poller/build-asan/shop-poller SHOP_TEST_TALLY=$tally \
        timeout --kill-after=30 "${test_seconds:-1500}" "$node" --test --test-concurrency="${test_jobs:-$jobs}" --test-reporter="$root/test/lib/reporter.js" \
        --test-reporter-destination=stdout "$@"
}

# node_kind KIND FILTER SLOW: the files of a kind; SLOW is a pattern of names that --quick leaves out.
node_kind() {
    local files
    mapfile -t files < <(matching "$2" test/"$1"/*.test.js | { if [[ -n $quick && -n $3 ]]; then grep -vE "$3"; else cat; fi; })
    [[ ${#files[@]} -gt 0 ]] || return 1
    node_tests "${files[@]}"
}

kind_dump() {
    node_kind dump "$1" ''
}

kind_openapi() {
    node_kind openapi "$1" ''
}

# The next two talk to the database themselves, so the gateway and the poller are not built for them.
kind_history() {
    local without_programs=yes
    node_kind history "$1" ''
}

kind_installation() {
    local without_programs=yes
    SHOP_TEST_QUICK=$quick node_kind installation "$1" '/valgrind\.'
}

kind_http() {
    node_kind http "$1" '/(outage|lifecycle|faults|steadiness)\.'
}

kind_console() {
    command -v chromium >/dev/null || note 'chromium is not installed: the tests with a browser are skipped'
    node_kind console "$1" ''
}

kind_poller() {
    node_kind poller "$1" '/outages\.'
}

# --- bench --------------------------------------------------------------------------------------------------------------

# bench_run: one second of two arms, the sell-out and intake orders, without plots.
bench_run() {
    rm -rf "$check_dir/bench/results" "$check_dir/bench/report"
    BENCH_DIR=$check_dir/bench BENCH_PLOTS=no BENCH_SECONDS=1 BENCH_LOADS=hot BENCH_ARMS=checkout-20,http-16,sell-out,intake bench/run quick
}

# bench_results: each arm placed orders, with CPU, latencies and WAL, and left no broken invariant; the sell-out was exact, and every
# intake order was processed.
bench_results() {
    local results=$check_dir/bench/results/quick.jsonl
    jq -es 'map(select(.kind == "arm")) | length == 2 and all(.rate > 0 and .orders > 0 and .p50 > 0 and .p99 >= .p50
                and .cpu.backends > 0 and .wal_records > 500 and .refused == 0 and .violations == [])' "$results" &&
        jq -es 'any(.kind == "arm" and .name == "http-16" and .cpu.gateway > 0 and .batch_size >= 1)' "$results" &&
        jq -es 'any(.kind == "figure" and .name == "sell-out" and .sold == .units and .left == 0)' "$results" &&
        jq -es 'any(.kind == "figure" and .name == "intake" and .rate > 0 and .cpu.poller > 0 and .violations == [])' "$results"
}

# bench_report: the table has a row for each of the eight figures and nothing is left to fill in.
bench_report() {
    local report=$check_dir/bench/report/performance.md number
    for number in {1..8}; do
        grep -qE "^\\| $number \\| .* (reached|missed|not measured) " "$report" || return 1
    done
    grep -qE '^\| 2 \| sell-outs that were exact \| ≥ 1 \| \*\*1\*\* ' "$report" && ! grep -nE '\{\{|undefined|NaN' "$report"
}

# bench_broken: the same results with a broken invariant: the figure is missed.
bench_broken() {
    jq -c 'if .name == "sell-out" then .violations = [{"check_name": "made up"}] else . end' "$check_dir/bench/results/quick.jsonl" \
        >"$check_dir/bench/results/full.jsonl"
    BENCH_DIR=$check_dir/bench BENCH_PLOTS=no BENCH_REPORT=$check_dir/bench/broken bench/run report &&
        grep -qE '^\| 2 \| sell-outs that were exact \| ≥ 1 \| \*\*0\*\* .* missed ' "$check_dir/bench/broken/performance.md"
}

kind_bench() {
    [[ -z $1 || bench == "$1"* ]] || return 1
    check 'the benchmark runs' bench_run
    check 'its results are sound' bench_results
    check 'its report has every figure' bench_report
    check 'a broken invariant scores zero' bench_broken
}

# --- faults -------------------------------------------------------------------------------------------------------------

# fault_library NAME VARIABLE...: builds a library of the extension that only the fault suite loads, where its copy is.
fault_library() {
    local copy=$check_dir/fault-libraries/$1
    shift
    make -s -C "$copy/extension" -j "$jobs" PG_CONFIG="$(pg_config_path)" FAULT_POINTS=1 "$@" pg_shop.so
}

# fault_libraries: one with fault points, and one for each bug that src/fault_point.h names. A bug's library differs in the
# few files that know of it, so it begins as a copy of the first one without those.
fault_libraries() {
    local folder=$check_dir/fault-libraries bug file
    rm -rf "$folder"
    mkdir -p "$folder/fault-points"
    tar -c --exclude='*.o' --exclude='*.so' META.json extension | tar -x -C "$folder/fault-points"
    fault_library fault-points || return 1
    while read -r bug; do
        cp -a "$folder/fault-points" "$folder/$bug"
        rm "$folder/$bug/extension/pg_shop.so"
        while read -r file; do rm "$folder/$bug/extension/src/$(basename "$file" .c).o"; done < <(grep -l "$bug" extension/src/*.c)
        fault_library "$bug" PLANTED_BUG="$bug" || return 1
    done < <(sed -n 's/^#define \(BUG_[A-Z_]*\) .*/\1/p' extension/src/fault_point.h)
}

# kind_faults: every fault FAULT_ROUNDS times (1); FAULT_WAITS=long makes standstills and outages long. Writes the table of a
# complete run to FAULT_DOCUMENT, which make check-faults sets to docs/reliability.md.
kind_faults() {
    local status=0 results=$check_dir/results/faults document=${FAULT_DOCUMENT:-$check_dir/results/reliability.md}
    # What is waited for is mostly time, not the processor.
    local test_jobs=$((jobs + 2)) test_seconds=$((1500 * ${FAULT_ROUNDS:-1}))
    [[ -n $1 ]] || rm -rf "$results"
    build_once fault-libraries fault_libraries || return 1
    SHOP_FAULT_RESULTS=$results SHOP_FAULT_LIBRARIES=$check_dir/fault-libraries node_kind faults "$1" '' || status=$?
    [[ $status -eq 0 && -z $1 ]] || return "$status"
    [[ -e $document ]] || cp docs/reliability.md "$document"
    "$(node_program)" test/lib/faults/report.js "$results" "$document" "${FAULT_ROUNDS:-1}" || return 1
    note "the table is in $document"
}

# Runs what the documents say, one file after the other: several of them build and install the shipped programs.
kind_documents() {
    local test_jobs=1
    node_kind documents "$1" ''
}

# containers_obstacle: says why this machine cannot build and run images and packages; prints nothing where it can.
containers_obstacle() {
    local program
    [[ $EUID -eq 0 ]] || { echo 'it needs root' && return; }
    for program in debootstrap buildah podman runc dpkg-buildpackage dh lintian scdoc; do
        command -v "$program" >/dev/null || { echo "$program is not installed" && return; }
    done
    mkdir -p "$check_dir/scratch/probe"
    unshare --mount mount -t tmpfs tmpfs "$check_dir/scratch/probe" 2>/dev/null || echo 'mounting is not allowed here'
}

# bare_debian: makes $check_dir/debian by debootstrap, once, with the archives that a Debian 12 has from the start: main,
# updates and security. What is built here may need a library of a security update.
bare_debian() {
    local folder=$check_dir/debian mirror
    [[ ! -e $folder/.made ]] || return 0
    rm -rf --one-file-system "$folder"
    build_once debootstrap debootstrap --variant=minbase --include=ca-certificates bookworm "$folder" || return 1
    # Where it was fetched from has the others beside it.
    mirror=$(sed -n 's#^deb \(http.*\)/debian/* bookworm main.*#\1#p' "$folder/etc/apt/sources.list" | head -n 1)
    printf "deb $mirror/%s main\n" 'debian bookworm' 'debian bookworm-updates' 'debian-security bookworm-security' \
        >"$folder/etc/apt/sources.list"
    # A machine behind a proxy that opens TLS trusts more than Debian does; what is built here has to, too.
    find /usr/local/share/ca-certificates -name '*.crt' -exec cp -t "$folder/usr/local/share/ca-certificates" {} + 2>/dev/null
    chroot "$folder" update-ca-certificates >/dev/null 2>&1 || return 1
    touch "$folder/.made"
}

# Images and packages are built on their own; the programs of this tree are not needed.
kind_containers() {
    local without_programs=yes obstacle
    obstacle=${quick:+the quick run leaves it out}
    [[ -n $obstacle ]] || obstacle=$(containers_obstacle)
    if [[ -n $obstacle ]]; then
        # shellcheck disable=SC2034 # test/run reads it
        skipped=$obstacle
        return 0
    fi
    bare_debian && SHOP_TEST_DEBIAN=$check_dir/debian node_kind containers "$1" ''
}
