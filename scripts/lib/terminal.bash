# shellcheck shell=bash
# Words for the person at the terminal: colour where it is one, plain lines in a pipe.

if [[ -t 1 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
    bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' blue=$'\e[34m' normal=$'\e[0m'
else
    bold='' dim='' red='' green='' blue='' normal=''
fi
export bold dim red green blue normal

# step TEXT: the headline of what happens next.
step() {
    printf '%s==>%s %s%s%s\n' "$blue" "$normal" "$bold" "$*" "$normal"
}

# note TEXT: a line of detail below a headline.
note() {
    printf '    %s\n' "$*"
}

# fail TEXT...: each argument is a line on stderr; ends the script with 1.
fail() {
    printf '%serror:%s %s\n' "$red" "$normal" "$1" >&2
    shift
    [[ $# -eq 0 ]] || printf '       %s\n' "$@" >&2
    exit 1
}
