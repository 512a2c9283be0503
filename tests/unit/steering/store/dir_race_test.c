/* SPDX-License-Identifier: Apache-2.0 */
/* Two processes that swap as fast as they can, and readers beside them. */
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "steering/base/rng.h"
#include "tests/unit/steering/store/fixture.h"

enum { WRITERS = 2, SWAPS_EACH = 500 };

/* Shared by parent and children. */
struct shared {
    atomic_uint done[WRITERS];
    atomic_uint conflicts[WRITERS];
    atomic_bool is_over;
};

static struct shared *shared;

static int add_one(struct fixture *fixture, unsigned writer, unsigned number, struct rng *rng)
{
    struct store_written written;
    char op_id[64];
    snprintf(op_id, sizeof(op_id), "op-%u-%u", writer, number);
    for (;;) {
        /* Between reading and swapping, so that the two really get into each other's way. */
        long linger_ns = (long)rng_below(rng, 1000000);
        enum err err = fixture_step_slowly(fixture, op_id, linger_ns, &written);
        fixture_forget_diag(fixture);
        if (err == ERR_OK)
            return 0;
        if (err != ERR_CONFLICT)
            return (int)err;
        atomic_fetch_add(&shared->conflicts[writer], 1);
    }
}

static int write_many(const char *folder, unsigned writer)
{
    struct fixture fixture = fixture_at(mem_strdup(folder));
    struct rng rng = rng_init(writer);
    for (unsigned number = 0; number < SWAPS_EACH; number++) {
        int problem = add_one(&fixture, writer, number, &rng);
        if (problem != 0)
            return problem;
        atomic_fetch_add(&shared->done[writer], 1);
    }
    return 0;
}

/* Every document that a reader ever sees is whole, and generations never go back. */
static int read_many(const char *folder)
{
    struct fixture fixture = fixture_at(mem_strdup(folder));
    uint64_t last = 0;
    while (!atomic_load(&shared->is_over)) {
        uint64_t now = fixture_generation(&fixture);
        if (now == 0 || now < last)
            return 1;
        last = now;
    }
    return 0;
}

static int wait_for(pid_t pid)
{
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_cas_thousand_from_two_processes_loses_none(void **state)
{
    (void)state;
    struct fixture fixture = fixture_init();
    pid_t writers[WRITERS], reader;
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(shared, MAP_FAILED);
    fixture_must_step(&fixture, "op-first");
    for (unsigned writer = 0; writer < WRITERS; writer++) {
        writers[writer] = fork();
        if (writers[writer] == 0)
            _exit(write_many(fixture.folder, writer));
    }
    reader = fork();
    if (reader == 0)
        _exit(read_many(fixture.folder));
    int problems[WRITERS];
    for (unsigned writer = 0; writer < WRITERS; writer++)
        problems[writer] = wait_for(writers[writer]);
    atomic_store(&shared->is_over, true); /* before anything may fail: the reader waits for it */
    assert_int_equal(wait_for(reader), 0);
    for (unsigned writer = 0; writer < WRITERS; writer++)
        assert_int_equal(problems[writer], 0);
    print_message("conflicts: %u and %u\n", atomic_load(&shared->conflicts[0]),
                  atomic_load(&shared->conflicts[1]));
    assert_true(atomic_load(&shared->conflicts[0]) + atomic_load(&shared->conflicts[1]) > 10);
    assert_int_equal(fixture_generation(&fixture), WRITERS * SWAPS_EACH + 1);
    fixture_must_verify(&fixture, WRITERS * SWAPS_EACH + 1);
    munmap(shared, sizeof(*shared));
    fixture_fini(&fixture);
}

static void test_cas_stopped_writer_does_not_block_for_ever(void **state)
{
    (void)state;
    struct fixture fixture = fixture_init();
    struct store_written written;
    int fd = -1;
    fixture_must_step(&fixture, "op-1");
    struct fixture other = fixture_at(mem_strdup(fixture.folder));
    assert_int_equal(dir_lock(dir_of(other.store), LOCK_EX, &other.diag, &fd), ERR_OK);
    dir_of(fixture.store)->lock_wait_ms = 50;
    assert_int_equal(fixture_step(&fixture, "op-2", &written), ERR_UNREACHABLE);
    assert_non_null(strstr(diag_first(&fixture.diag), "another writer has held"));
    close(fd);
    fixture_must_step(&fixture, "op-3");
    free(other.folder);
    store_close(other.store);
    diag_fini(&other.diag);
    fixture_fini(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cas_thousand_from_two_processes_loses_none),
        cmocka_unit_test(test_cas_stopped_writer_does_not_block_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
