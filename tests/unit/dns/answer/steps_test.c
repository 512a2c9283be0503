/* SPDX-License-Identifier: Apache-2.0 */
/* Answers made in steps, batch by batch, are those of answer_build. */
#include "tests/unit/dns/answer/answer_fixture.h"

#include "steering/base/limits.h"
#include "steering/base/rng.h"

enum { BATCH = 8, BATCHES = LIMIT(4000, 400), BUFFER_BYTES = 4096 };

/* www.example.com A with ECS 10.1.2.0/24; and mixed.example.com AAAA without EDNS. */
static const uint8_t with_ecs[] = "\0\1\1\0\0\1\0\0\0\0\0\1\3www\7example\3com\0\0\1\0\1"
                                  "\0\0\51\4\320\0\0\0\0\0\13\0\10\0\7\0\1\30\0\12\1\2";
static const uint8_t plain[] = "\0\2\1\0\0\1\0\0\0\0\0\0\5mixed\7example\3com\0\0\34\0\1";

struct slot {
    uint8_t whole[BUFFER_BYTES], stepped[BUFFER_BYTES];
    struct answer_request request;
    struct query query;
    enum query_verdict verdict;
};

static void make_query(struct rng *rng, struct slot *slot)
{
    bool has_ecs = rng_below(rng, 3) > 0;
    const uint8_t *from = has_ecs ? with_ecs : plain;
    size_t len = (has_ecs ? sizeof(with_ecs) : sizeof(plain)) - 1;
    memcpy(slot->whole, from, len);
    for (uint64_t i = rng_below(rng, 4); i > 0; i--)
        slot->whole[rng_below(rng, len)] = (uint8_t)rng_next(rng);
    if (rng_below(rng, 8) == 0)
        len = rng_below(rng, len);
    memcpy(slot->stepped, slot->whole, len);
    slot->request = (struct answer_request){
        .message = slot->whole,
        .len = len,
        .capacity = BUFFER_BYTES,
        .client = addr_from_v4_u32((uint32_t)rng_next(rng)),
        .now_unix_s = FIXTURE_NOW_S,
    };
}

static void compare(const struct fixture *fixture, struct slot *slot)
{
    struct answer_note whole_note, stepped_note;
    slot->request.message = slot->whole;
    size_t whole_len = answer_build(fixture->view, &slot->request, &whole_note);
    slot->request.message = slot->stepped;
    size_t stepped_len =
        answer_finish(fixture->view, &slot->request, &slot->query, slot->verdict, &stepped_note);
    assert_int_equal(stepped_len, whole_len);
    assert_memory_equal(slot->stepped, slot->whole, whole_len);
    assert_int_equal(stepped_note.verdict, whole_note.verdict);
    assert_int_equal(stepped_note.rcode, whole_note.rcode);
    assert_int_equal(stepped_note.is_steered, whole_note.is_steered);
    assert_int_equal(stepped_note.site_set, whole_note.site_set);
    assert_int_equal(stepped_note.ecs_scope, whole_note.ecs_scope);
}

static void test_steps_give_what_build_gives(void **state)
{
    (void)state;
    struct fixture fixture;
    struct slot *slots = mem_calloc(BATCH, sizeof(*slots));
    uint64_t seed = rng_seed();
    struct rng rng = rng_init(seed);
    print_message("seed %llu\n", (unsigned long long)seed);
    fixture_open(&fixture);
    for (int batch = 0; batch < BATCHES; batch++) {
        for (size_t i = 0; i < BATCH; i++) {
            make_query(&rng, &slots[i]);
            slots[i].request.message = slots[i].stepped;
            slots[i].verdict = answer_read(fixture.view, &slots[i].request, &slots[i].query);
        }
        for (size_t i = 0; i < BATCH; i++)
            answer_fetch(fixture.view, &slots[i].request, &slots[i].query, slots[i].verdict);
        for (size_t i = 0; i < BATCH; i++)
            compare(&fixture, &slots[i]);
    }
    fixture_close(&fixture);
    free(slots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps_give_what_build_gives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
