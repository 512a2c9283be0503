/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/wan/options.h"

#include <getopt.h>
#include <string.h>

#include "steering/base/mem.h"
#include "tools/wan/link_settings.h"
#include "tools/wan/matrix.h"
#include "tools/wan/measure.h"

enum { US_NS = 1000, SPIN_MAX_US = 100000, PROBES_MAX = 200000 };

static const struct option run_options[] = {
    { "check", no_argument, NULL, 'c' },
    { "measure", no_argument, NULL, 'm' },
    { "probes", required_argument, NULL, 'p' },
    { "shell", required_argument, NULL, 's' },
    { "site", required_argument, NULL, 'i' },
    { "socket", required_argument, NULL, 'S' },
    { "seed", required_argument, NULL, 'e' },
    { "spin", required_argument, NULL, 'n' },
    { "quiet", no_argument, NULL, 'q' },
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 },
};
static const struct option verb_options[] = {
    { "json", no_argument, NULL, 'j' },
    { "socket", required_argument, NULL, 'S' },
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 },
};

static bool parse_number(const char *name, uint64_t min, uint64_t max, uint64_t *out,
                         struct buf *out_problem)
{
    uint64_t number = 0;
    if (str_parse_u64(str_from(optarg), max, &number) && number >= min) {
        *out = number;
        return true;
    }
    buf_append_format(out_problem, "%s must be a whole number from %llu to %llu; found '%s'", name,
                      (unsigned long long)min, (unsigned long long)max, optarg);
    return false;
}

static bool take_number(struct options *options, int letter, struct buf *out_problem)
{
    uint64_t number = 0;
    if (letter == 'e') {
        if (!parse_number("--seed", 0, UINT32_MAX, &number, out_problem))
            return false;
        options->seed = (uint32_t)number;
        options->has_seed = true;
    } else if (letter == 'p') {
        if (!parse_number("--probes", 1, PROBES_MAX, &number, out_problem))
            return false;
        options->probes_per_second = (uint32_t)number;
    } else {
        if (!parse_number("--spin", 0, SPIN_MAX_US, &number, out_problem))
            return false;
        options->spin_ns = number * US_NS;
    }
    return true;
}

static bool take(struct options *options, int letter, const char *word, struct buf *out_problem)
{
    switch (letter) {
    case 'c':
        options->action = OPTIONS_CHECK;
        return true;
    case 'm':
        options->is_measured = true;
        return true;
    case 's':
        options->is_shell = true;
        options->site = optarg;
        return true;
    case 'i':
        options->site = optarg;
        return true;
    case 'S':
        options->socket = optarg;
        return true;
    case 'q':
        options->is_quiet = true;
        return true;
    case 'j':
        options->is_json = true;
        return true;
    case 'h':
        options->action = OPTIONS_HELP;
        return true;
    case 'e':
    case 'n':
    case 'p':
        return take_number(options, letter, out_problem);
    default:
        buf_append_format(out_problem, letter == ':' ? "'%s' needs a value" : "unknown option '%s'",
                          word);
        return false;
    }
}

static bool take_options(struct options *options, int argc, char *const argv[],
                         const struct option *known, struct buf *out_problem)
{
    opterr = 0;
    for (;;) {
        int at = optind;
        /* '+': what follows the first word that is no option belongs to that word. */
        int letter = getopt_long(argc, argv, "+:h", known, NULL);
        if (letter < 0)
            return true;
        if (!take(options, letter, argv[at], out_problem))
            return false;
        if (options->action == OPTIONS_HELP)
            return true;
    }
}

static void take_rest(struct options *options, int argc, char *const argv[])
{
    if (optind < argc && strcmp(argv[optind], "--") == 0)
        optind++;
    options->words = argv + optind;
    options->word_count = (size_t)(argc - optind);
}

/* `wan VERB [option...] [SITE] [--] WORD...` */
static bool parse_verb(struct options *options, int argc, char *const argv[],
                       struct buf *out_problem)
{
    optind = 2;
    if (!take_options(options, argc, argv, verb_options, out_problem))
        return false;
    if (options->action == OPTIONS_EXEC && optind < argc)
        options->site = argv[optind++];
    take_rest(options, argc, argv);
    if (options->action == OPTIONS_EXEC && (options->site == NULL || options->word_count == 0))
        buf_append_text(out_problem, "exec needs a site and a command: wan exec SITE -- COMMAND");
    else if (options->action == OPTIONS_SET && options->word_count < 2)
        buf_append_text(out_problem, "set needs a link and a value: wan set FROM:TO KEY=VALUE...");
    else if (options->action == OPTIONS_STATUS && options->word_count > 0)
        buf_append_format(out_problem, "unexpected '%s'", options->words[0]);
    return out_problem->len == 0;
}

/* `wan [option...] MATRIX [option...] [-- COMMAND...]` */
static bool parse_run(struct options *options, int argc, char *const argv[],
                      struct buf *out_problem)
{
    optind = 1;
    if (!take_options(options, argc, argv, run_options, out_problem))
        return false;
    if (options->action == OPTIONS_HELP)
        return true;
    if (optind >= argc || strcmp(argv[optind - 1], "--") == 0) {
        buf_append_text(out_problem, "no matrix file is named");
        return false;
    }
    options->matrix = argv[optind++];
    if (!take_options(options, argc, argv, run_options, out_problem))
        return false;
    if (optind < argc && strcmp(argv[optind - 1], "--") != 0) {
        buf_append_format(out_problem, "unexpected '%s'; a command comes after --", argv[optind]);
        return false;
    }
    options->words = argv + optind;
    options->word_count = (size_t)(argc - optind);
    if (options->is_shell && options->word_count > 0) {
        buf_append_text(out_problem, "--shell brings its own command; --site says where one runs");
        return false;
    }
    return true;
}

bool options_parse(int argc, char *const argv[], struct options *out_options,
                   struct buf *out_problem)
{
    static const struct {
        const char *name;
        enum options_action action;
    } verbs[] = {
        { "exec", OPTIONS_EXEC },
        { "set", OPTIONS_SET },
        { "status", OPTIONS_STATUS },
    };
    struct options options = { .action = OPTIONS_RUN, .probes_per_second = MEASURE_PER_SECOND };
    bool is_verb = false;
    for (size_t i = 0; i < ARRAY_SIZE(verbs) && argc > 1; i++) {
        if (strcmp(argv[1], verbs[i].name) != 0)
            continue;
        options.action = verbs[i].action;
        is_verb = true;
    }
    bool is_fine = is_verb ? parse_verb(&options, argc, argv, out_problem)
                           : parse_run(&options, argc, argv, out_problem);
    if (options.action == OPTIONS_HELP) {
        buf_clear(out_problem);
        is_fine = true;
    }
    if (is_fine)
        *out_options = options;
    return is_fine;
}

void options_help(struct buf *out)
{
    buf_append_text(
        out,
        "wan: a wide-area network on one machine\n"
        "\n"
        "  wan MATRIX [option...] [-- COMMAND...]  run COMMAND with the links up; without one, "
        "stay\n"
        "                                          up until a signal\n"
        "  wan exec SITE -- COMMAND...             run COMMAND at a site\n"
        "  wan set FROM:TO [both] KEY=VALUE...     change a link; FROM and TO may be '*'\n"
        "  wan status [--json]                     what each link has done so far\n"
        "\n"
        "  --check          say what is wrong with MATRIX, and nothing else\n"
        "  --measure        first measure how accurate the delays are, with jitter, loss and\n"
        "                   reordering off\n"
        "  --probes N       so many probes per second (10000)\n"
        "  --shell SITE     run $SHELL at a site\n"
        "  --site SITE      run COMMAND at a site; otherwise it runs outside, where `wan exec`\n"
        "                   brings it to each site\n"
        "  --seed N         what is lost and reordered; else that of MATRIX, else a random one\n"
        "  --spin US        stop sleeping so many microseconds before a packet is due: more\n"
        "                   accurate, and takes a CPU; else 0\n"
        "  --socket PATH    control socket (exec, set, status: of which emulator)\n"
        "  --quiet          do not say what is up\n"
        "\n"
        "COMMAND finds in its environment: STEER_WAN (this program), STEER_WAN_SOCKET,\n"
        "STEER_WAN_SEED, and STEER_WAN_SITES=\"client=10.77.1.1 pop=10.77.2.1,fd77::2\".\n"
        "It ends with COMMAND's status; all processes inside end with it.\n"
        "\n"
        "Keys of a link, in MATRIX and behind `set`:\n");
    for (size_t i = 0; i < LINK_SETTINGS_KEY_COUNT; i++)
        buf_append_format(out, "  %-10s %s\n", link_settings_key(i), link_settings_about(i));
    buf_append_text(out, "\nMATRIX:\n\n");
    matrix_explain(out);
}
