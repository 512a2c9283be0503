# SPDX-License-Identifier: Apache-2.0
# Completion of steer(1) for bash. Sites and nodes come from the store's folder; nothing here uses
# the network.

_steer_verbs="status evacuate restore drain undrain wait history explain check explain-config store
help version"

# The command on the line, and the --store that the words so far name.
_steer_scan()
{
    local at
    verb='' store=()
    for ((at = 1; at < COMP_CWORD; at++)); do
        case ${COMP_WORDS[at]} in
        --store)
            store=(--store "${COMP_WORDS[at + 1]}")
            ((at++))
            ;;
        --reason | --override | --timeout | --stray | --topology | --gen | --count | -n | --from | \
            --ecs | --node | --config)
            ((at++))
            ;;
        -*) ;;
        *)
            verb=${COMP_WORDS[at]}
            return
            ;;
        esac
    done
}

# Those of the words $2 that begin with $1. Not by compgen -W, which carries out what it finds in them.
_steer_offer()
{
    local offer
    COMPREPLY=()
    while read -r offer; do
        [[ -n $offer && $offer == "$1"* ]] && COMPREPLY+=("$offer")
    done < <(tr -s ' ' '\n' <<<"$2")
}

_steer()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local verb store offers=''
    _steer_scan
    case $before in
    --stray) offers='proxy serve refuse' ;;
    --override) offers='min-regions epoch' ;;
    --node) offers=$(steer __complete nodes "${store[@]}" 2>/dev/null) ;;
    --store | --topology | --config | --from)
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
        ;;
    --reason | --timeout | --gen | --count | -n | --ecs) return ;;
    *)
        case $word:$verb in
        -*) offers=$(steer __complete options "$verb" 2>/dev/null) ;;
        *:) offers=$_steer_verbs ;;
        *:evacuate | *:restore) offers=$(steer __complete regions "${store[@]}" 2>/dev/null) ;;
        *:drain | *:undrain) offers=$(steer __complete pops "${store[@]}" 2>/dev/null) ;;
        *:store) offers='init repair path' ;;
        *:explain-config) offers='topology node pop' ;;
        *:help) offers=$_steer_verbs ;;
        *:check)
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            return
            ;;
        esac
        ;;
    esac
    _steer_offer "$word" "$offers"
}

complete -F _steer steer
