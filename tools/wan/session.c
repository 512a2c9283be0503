/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/wan/session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "steering/base/mem.h"
#include "steering/base/rng.h"
#include "tools/wan/control.h"
#include "tools/wan/forwarder.h"
#include "tools/wan/measure.h"
#include "tools/wan/run_folder.h"

enum {
    STATUS_FAILED = 1,
    STATUS_NOT_FOUND = 127,
    SIGNAL_STATUS = 128,
    TEXT_MAX_BYTES = 1 << 20,
    EAGER_NICE = -20,
};

/* Signals that end a session. */
static const int ends[] = { SIGTERM, SIGHUP, SIGINT };
enum { END_COUNT = ARRAY_SIZE(ends) };

struct session {
    const struct options *options;
    const struct matrix *matrix;
    uint64_t seed;
    char *socket_path;
    uv_loop_t loop;
    struct network network;
    struct isolation_site *sites;
    struct forwarder forwarder;
    struct control control;
    uv_signal_t child_signal;
    uv_signal_t end_signals[END_COUNT];
    pid_t measure_pid, command_pid; /* 0: does not run */
    int status;
};

static void print_problems(const struct diag *diag)
{
    struct buf text;
    buf_init(&text, TEXT_MAX_BYTES);
    diag_format(diag, &text);
    fprintf(stderr, "wan: %s", buf_text(&text));
    buf_fini(&text);
}

static void stop(struct session *session, int status)
{
    session->status = status;
    uv_stop(&session->loop);
}

/* ---- children ------------------------------------------------------------------------------- */

/* In a child: as if wan had never been there. */
static void shed(void)
{
    struct sigaction plain = { .sa_handler = SIG_DFL };
    sigset_t none;
    for (size_t i = 0; i < END_COUNT; i++)
        sigaction(ends[i], &plain, NULL);
    sigaction(SIGCHLD, &plain, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setpriority(PRIO_PROCESS, 0, 0);
}

static void set_environment(const struct session *session)
{
    const struct matrix *matrix = session->matrix;
    char number[32], text[ADDR_TEXT_MAX], program[4096];
    struct buf sites;
    buf_init(&sites, TEXT_MAX_BYTES);
    for (size_t i = 0; i < matrix->site_count; i++) {
        buf_append_format(&sites, "%s%s=", i > 0 ? " " : "", matrix->sites[i].name);
        for (size_t k = 0; k < matrix->sites[i].address_count; k++)
            buf_append_format(&sites, "%s%s", k > 0 ? "," : "",
                              addr_format(&matrix->sites[i].addresses[k], text));
    }
    setenv("STEER_WAN_SITES", buf_text(&sites), 1);
    setenv("STEER_WAN_SOCKET", session->socket_path, 1);
    snprintf(number, sizeof(number), "%llu", (unsigned long long)session->seed);
    setenv("STEER_WAN_SEED", number, 1);
    if (session->options->site != NULL)
        setenv("STEER_WAN_SITE", session->options->site, 1);
    ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);
    if (len > 0) {
        program[len] = '\0';
        setenv("STEER_WAN", program, 1);
    }
    buf_fini(&sites);
}

static _Noreturn void become_command(const struct session *session)
{
    const struct options *options = session->options;
    const char *shell = getenv("SHELL");
    char *shell_words[2] = { mem_strdup(shell != NULL ? shell : "/bin/sh"), NULL };
    char *const *words = options->is_shell ? shell_words : options->words;
    size_t site = 0;
    shed();
    set_environment(session);
    if (options->site != NULL &&
        matrix_find_site(session->matrix, str_from(options->site), &site) &&
        setns(session->sites[site].net_fd, CLONE_NEWNET) != 0) {
        fprintf(stderr, "wan: cannot enter '%s': %s\n", options->site, strerror(errno));
        _exit(STATUS_FAILED);
    }
    execvp(words[0], words);
    fprintf(stderr, "wan: cannot run '%s': %s\n", words[0], strerror(errno));
    _exit(STATUS_NOT_FOUND);
}

static _Noreturn void become_measure(const struct session *session)
{
    struct diag diag;
    diag_init(&diag);
    shed();
    enum err err =
        measure_run(session->matrix, session->sites, session->options->probes_per_second, &diag);
    if (err != ERR_OK)
        print_problems(&diag);
    _exit(err_exit_code(err));
}

static void start_command(struct session *session)
{
    const struct options *options = session->options;
    if (!options->is_shell && options->word_count == 0) {
        if (options->is_measured)
            stop(session, 0);
        return; /* up until a signal */
    }
    session->command_pid = fork();
    if (session->command_pid == 0)
        become_command(session);
    if (session->command_pid < 0) {
        fprintf(stderr, "wan: cannot fork: %s\n", strerror(errno));
        stop(session, STATUS_FAILED);
    }
}

static void start_measure(struct session *session)
{
    for (size_t i = 0; i < session->matrix->link_count; i++) {
        struct link_settings *settings = &session->network.links[i].settings;
        settings->jitter_ns = settings->loss_ppm = settings->reorder_ppm = 0;
    }
    session->measure_pid = fork();
    if (session->measure_pid == 0)
        become_measure(session);
    if (session->measure_pid < 0) {
        fprintf(stderr, "wan: cannot fork: %s\n", strerror(errno));
        stop(session, STATUS_FAILED);
    }
}

static void on_child_end(struct session *session, pid_t pid, int wait_status)
{
    int status =
        WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : SIGNAL_STATUS + WTERMSIG(wait_status);
    if (pid == session->command_pid) {
        stop(session, status);
    } else if (pid == session->measure_pid) {
        session->measure_pid = 0;
        forwarder_restart(&session->forwarder);
        if (status != 0)
            stop(session, status);
        else
            start_command(session);
    }
}

/* Orphans of the namespace are ours, too. */
static void on_child_signal(uv_signal_t *handle, int number)
{
    struct session *session = container_of(handle, struct session, child_signal);
    int status = 0;
    pid_t pid = 0;
    (void)number;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        on_child_end(session, pid, status);
}

/* The command decides what a signal means to it; a terminal has sent it SIGINT, too. */
static void on_end_signal(uv_signal_t *handle, int number)
{
    struct session *session = handle->data;
    if (session->command_pid == 0)
        stop(session, SIGNAL_STATUS + number);
    else if (number != SIGINT)
        kill(session->command_pid, number);
}

/* ---- inside --------------------------------------------------------------------------------- */

static void print_start(const struct session *session)
{
    if (!session->options->is_quiet)
        fprintf(stderr, "wan: %zu sites, %zu links, seed %llu, socket %s\n",
                session->matrix->site_count, session->matrix->link_count,
                (unsigned long long)session->seed, session->socket_path);
}

static void run_loop(struct session *session)
{
    uv_signal_init(&session->loop, &session->child_signal);
    uv_signal_start(&session->child_signal, on_child_signal, SIGCHLD);
    for (size_t i = 0; i < END_COUNT; i++) {
        uv_signal_init(&session->loop, &session->end_signals[i]);
        session->end_signals[i].data = session;
        uv_signal_start(&session->end_signals[i], on_end_signal, ends[i]);
    }
    print_start(session);
    if (session->options->is_measured)
        start_measure(session);
    else
        start_command(session);
    uv_run(&session->loop, UV_RUN_DEFAULT);
}

static enum err open_world(struct session *session, int listen_fd, struct diag *diag)
{
    enum err err = isolation_settle(diag);
    if (err == ERR_OK)
        err = isolation_build(session->matrix, diag, session->sites);
    if (err == ERR_OK && uv_loop_init(&session->loop) != 0)
        err = diag_error(diag, 0, 0, "cannot make an event loop");
    if (err == ERR_OK)
        err = forwarder_open(&session->forwarder, &session->loop, &session->network, session->sites,
                             session->options->spin_ns, diag);
    if (err == ERR_OK)
        err = control_open(&session->control, &session->forwarder, session->sites, session->seed,
                           listen_fd, diag);
    return err;
}

/* Packets go before programs, where that is allowed; children are ordinary again. Not as a
 * real-time process when it spins: the kernel stops those that never sleep for 50 ms at a time. */
static void hurry(bool is_spinning)
{
    struct sched_param param = { .sched_priority = 2 };
    if (is_spinning || sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param) != 0)
        (void)setpriority(PRIO_PROCESS, 0, EAGER_NICE);
}

/* Process 1 of the namespace. `alive_fd` hangs up when wan outside is gone. */
static _Noreturn void run_inside(struct session *session, int listen_fd, int alive_fd)
{
    struct pollfd alive = { .fd = alive_fd };
    struct diag diag;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* It may have died before the kernel knew of that wish. */
    if (poll(&alive, 1, 0) != 0)
        _exit(STATUS_FAILED);
    hurry(session->options->spin_ns > 0);
    diag_init(&diag);
    network_init(&session->network, session->matrix, session->seed);
    session->sites = mem_calloc(session->matrix->site_count, sizeof(session->sites[0]));
    if (open_world(session, listen_fd, &diag) == ERR_OK) {
        run_loop(session);
    } else {
        print_problems(&diag);
        session->status = STATUS_FAILED;
    }
    /* With this process the kernel ends all others inside, and closes what they hold. */
    fflush(stdout);
    _exit(session->status);
}

/* ---- outside -------------------------------------------------------------------------------- */

/* Waits for the process inside and hands signals on to it. */
static int stay_outside(pid_t pid)
{
    sigset_t wanted;
    siginfo_t about;
    int status = 0;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGCHLD);
    for (size_t i = 0; i < END_COUNT; i++)
        sigaddset(&wanted, ends[i]);
    while (waitpid(pid, &status, WNOHANG) != pid) {
        int number = sigwaitinfo(&wanted, &about);
        /* A terminal sends to all, and inside SIGINT is taken for a terminal's. */
        if (number > 0 && number != SIGCHLD && about.si_code != SI_KERNEL)
            kill(pid, number == SIGINT ? SIGTERM : number);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : SIGNAL_STATUS + WTERMSIG(status);
}

static void block_signals(void)
{
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGCHLD);
    for (size_t i = 0; i < END_COUNT; i++)
        sigaddset(&wanted, ends[i]);
    sigprocmask(SIG_BLOCK, &wanted, NULL);
}

static enum err run_outside(struct session *session, int listen_fd, struct diag *diag)
{
    int alive[2];
    enum err err = isolation_begin(diag);
    if (err != ERR_OK)
        return err;
    if (pipe2(alive, O_CLOEXEC) != 0)
        return diag_errno(diag, errno, "cannot make a pipe");
    block_signals();
    pid_t pid = fork();
    if (pid == 0) {
        close(alive[1]);
        run_inside(session, listen_fd, alive[0]);
    }
    close(alive[0]);
    if (pid < 0)
        err = diag_errno(diag, errno, "cannot fork");
    else
        session->status = stay_outside(pid);
    close(alive[1]);
    return err;
}

static uint64_t choose_seed(const struct options *options, const struct matrix *matrix)
{
    if (options->has_seed)
        return options->seed;
    /* Short enough to be copied. */
    return matrix->has_seed ? matrix->seed : rng_seed() % 1000000;
}

int session_run(const struct options *options, const struct matrix *matrix)
{
    struct session *session = mem_calloc(1, sizeof(*session));
    struct diag diag;
    size_t site = 0;
    int listen_fd = -1;
    diag_init(&diag);
    session->options = options;
    session->matrix = matrix;
    session->seed = choose_seed(options, matrix);
    enum err err = ERR_OK;
    if (options->site != NULL && !matrix_find_site(matrix, str_from(options->site), &site))
        err = diag_error(&diag, 0, 0, "there is no site '%s'", options->site);
    if (err == ERR_OK)
        err = run_folder_listen(options->socket, &diag, &listen_fd, &session->socket_path);
    if (err == ERR_OK)
        err = run_outside(session, listen_fd, &diag);
    if (session->socket_path != NULL)
        unlink(session->socket_path);
    if (listen_fd >= 0)
        close(listen_fd);
    if (err != ERR_OK)
        print_problems(&diag);
    int status = err != ERR_OK ? err_exit_code(err) : session->status;
    diag_fini(&diag);
    free(session->socket_path);
    free(session);
    return status;
}
