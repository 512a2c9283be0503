/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/load/load_detect.h"
#include "config/load/node.h"
#include "config/load/pop_node.h"
#include "config/load/topology_load.h"
#include "steering/base/file.h"
#include "steering/base/mem.h"
#include "steering/ctl/command.h"
#include "steering/ctl/findings.h"

enum { OUTPUT_MAX_BYTES = 16 << 20 };

/* ---- the servers' own checks ---------------------------------------------------------------- */

/* Zones are the DNS server's affair, certificates the proxy's, and this program contains neither:
 * it asks the server that was installed beside it. */
static const struct server {
    const char *name;
    const char *checks;
} servers[] = { [LOAD_NODE] = { "steer-dns", "zones are" },
                [LOAD_POP_NODE] = { "steer-pop", "certificates and keys are" } };

static char *find_server(const char *name)
{
    char path[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (len <= 0)
        return mem_strdup(name);
    path[len] = '\0';
    return file_beside(path, name);
}

static void read_all(int fd, struct buf *out)
{
    char piece[4096];
    for (;;) {
        ssize_t got = read(fd, piece, sizeof(piece));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return;
        buf_append(out, piece, (size_t)got);
    }
}

/* Runs `SERVER --check -c file`; the exit code, or -1 when it could not be run or was killed. */
static int run_server(const char *server, const char *file, struct buf *out_output)
{
    char *argv[] = { mem_strdup(server), mem_strdup("--check"), mem_strdup("-c"), mem_strdup(file),
                     NULL };
    posix_spawn_file_actions_t actions;
    int ends[2], status = 0, code = -1;
    pid_t pid = 0;
    if (pipe(ends) == 0) {
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
        posix_spawn_file_actions_addclose(&actions, ends[0]);
        posix_spawn_file_actions_addclose(&actions, ends[1]);
        int failed = posix_spawn(&pid, server, &actions, NULL, argv, environ);
        posix_spawn_file_actions_destroy(&actions);
        close(ends[1]);
        read_all(ends[0], out_output);
        close(ends[0]);
        if (failed == 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status))
            code = WEXITSTATUS(status);
    }
    for (size_t i = 0; argv[i] != NULL; i++)
        free(argv[i]);
    return code;
}

static void report_silence(struct findings *findings, const char *file, const struct server *server)
{
    char text[128];
    snprintf(text, sizeof(text), "%s --check failed without a word", server->name);
    findings_add_error(findings, file, text);
}

/* Lines that are no findings count only when the check failed: then they are all there is. */
static void take_output(struct findings *findings, const char *file, const struct server *server,
                        struct str output, int code)
{
    size_t errors_before = findings->error_count;
    struct str rest = output, line;
    while (rest.len > 0) {
        str_split(rest, '\n', &line, &rest);
        findings_add_line(findings, line);
    }
    rest = output;
    while (code != 0 && findings->error_count == errors_before && rest.len > 0) {
        str_split(rest, '\n', &line, &rest);
        char *text = mem_strndup(line.ptr, line.len);
        findings_add_error(findings, file, text);
        free(text);
    }
    if (code != 0 && findings->error_count == errors_before)
        report_silence(findings, file, server);
}

static void check_by_server(struct findings *findings, const char *file,
                            const struct server *server)
{
    struct buf output;
    char *program = find_server(server->name);
    buf_init(&output, OUTPUT_MAX_BYTES);
    if (access(program, X_OK) != 0) {
        struct buf line;
        buf_init(&line, 1 << 16);
        buf_append_format(&line, "%s: warning: %s not checked: there is no '%s'", file,
                          server->checks, program);
        findings_add_line(findings, buf_str(&line));
        buf_fini(&line);
    } else {
        int code = run_server(program, file, &output);
        take_output(findings, file, server, buf_str(&output), code);
    }
    buf_fini(&output);
    free(program);
}

/* ---- files ---------------------------------------------------------------------------------- */

static const char *const kind_names[] = {
    [LOAD_TOPOLOGY] = "topology", [LOAD_NODE] = "node", [LOAD_POP_NODE] = "pop node"
};

/* With the topology that it names: sites, maps and gateways must be there. */
static enum err load_pop_node(const char *file, struct diag *diag)
{
    struct topology *topology = NULL;
    struct pop_node *node = NULL;
    enum err err = pop_node_load(file, diag, &node);
    if (err == ERR_OK)
        err = topology_load(node->common.topology, diag, &topology);
    if (err == ERR_OK)
        err = pop_node_check(node, topology, diag);
    topology_free(topology);
    pop_node_free(node);
    return err;
}

static enum err load(const char *file, enum load_kind kind, struct diag *diag)
{
    struct topology *topology = NULL;
    struct node *node = NULL;
    enum err err = ERR_OK;
    if (kind == LOAD_POP_NODE)
        err = load_pop_node(file, diag);
    else if (kind == LOAD_NODE)
        err = node_load(file, diag, &node);
    else
        err = topology_load(file, diag, &topology);
    topology_free(topology);
    node_free(node);
    return err;
}

/* Counts what is wrong with this file also when an earlier one has brought it up already. */
static json_t *check_file(struct ctl *ctl, struct findings *findings, const char *file)
{
    struct diag diag;
    enum load_kind kind = LOAD_TOPOLOGY;
    diag_init(&diag);
    enum err err = load_detect(file, &diag, &kind);
    const char *kind_name = err == ERR_OK ? kind_names[kind] : "unknown";
    if (err == ERR_OK)
        err = load(file, kind, &diag);
    if (err != ERR_OK && !diag_has_errors(&diag)) {
        diag_set_file(&diag, file);
        diag_error(&diag, 0, 0, "%s", err_text(err));
    }
    findings_add_diag(findings, &diag);
    size_t errors = findings->error_count, warnings = findings->warning_count;
    if (err == ERR_OK && kind != LOAD_TOPOLOGY)
        check_by_server(findings, file, &servers[kind]);
    errors = findings->error_count - errors + diag.error_count;
    warnings = findings->warning_count - warnings + diag.warning_count;
    diag_fini(&diag);
    ctl_note(ctl, "%s: %s, %zu error%s, %zu warning%s\n", file, kind_name, errors,
             errors == 1 ? "" : "s", warnings, warnings == 1 ? "" : "s");
    json_t *entry = json_object();
    json_set_str(entry, "file", str_from(file));
    json_set_str(entry, "kind", str_from(kind_name));
    json_set_int(entry, "errors", (int64_t)errors);
    json_set_int(entry, "warnings", (int64_t)warnings);
    return entry;
}

static enum err run(struct ctl *ctl)
{
    struct findings findings;
    json_t *files = json_array();
    findings_init(&findings);
    for (size_t i = 0; i < ctl->args.word_count; i++)
        json_array_append_new(files, check_file(ctl, &findings, ctl->args.words[i]));
    ctl_print(ctl, "%s", buf_text(&findings.text));
    json_t *answer = ctl_new_answer(findings.error_count == 0);
    json_object_set_new(answer, "files", files);
    json_object_set(answer, "diagnostics", findings.all);
    ctl_answer(ctl, answer);
    ctl->has_answered = true; /* the findings say it all */
    enum err err = findings.error_count == 0 ? ERR_OK : ERR_INVALID;
    findings_fini(&findings);
    return err;
}

const struct command cmd_check = {
    .name = "check",
    .words = "FILE...",
    .min_words = 1,
    .max_words = ARGS_WORD_MAX,
    .summary = "find the mistakes in topology and node files",
    .about = "Checks topology and node files (it sees which is which) and, for a node file, all\n"
             "that it names: topology, databases, zones, certificates. Every error and warning is\n"
             "reported as FILE:LINE:COLUMN in one run. Ends with 2 when there is an error.",
    .examples = "  steer check topology.yaml dns.yaml pop.yaml gateway.yaml",
    .run = run,
};
