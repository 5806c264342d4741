/* The switch keeps what the compiler and the calling convention count on: locals in registers and
 * vectors, callee-saved registers, alignment, backtraces that end. */

#include <execinfo.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "context/context.h"
#include "context/stack.h"

#define ROUNDS 100000

typedef void switch_function(struct wf_context *from, struct wf_context *to);

static struct wf_context test_context;
static struct wf_context other;
static struct wf_stack_pool pool;
static struct wf_stack other_stack;

static void inline_switch(struct wf_context *from, struct wf_context *to)
{
    wf_context_switch(from, to);
}

static void start_other(void (*entry)(void *arg), void *arg)
{
    wf_stack_pool_init(&pool, 0);
    assert_int_equal(wf_stack_get(&pool, WF_STACK_MEDIUM, &other_stack), 0);
    wf_context_main(&test_context);
    wf_context_init(&other, other_stack.low, other_stack.size, entry, arg);
}

static void finish_other(void)
{
    wf_context_fini(&other);
    wf_context_fini(&test_context);
    wf_stack_put(&pool, &other_stack);
    assert_int_equal(wf_stack_pool_fini(&pool), 0);
}

/* ---- locals ---- */

/* Many values alive across each switch, so that some must be in callee-saved registers if the
 * compiler believes it can keep them there. */
static WF_ALWAYS_INLINE uint64_t mix(struct wf_context *from, struct wf_context *to, uint64_t seed,
                                     switch_function *change)
{
    uint64_t a = seed, b = seed + 1, c = seed + 2, d = seed + 3, e = seed + 4, f = seed + 5;
    double x = (double)seed, y = x + 0.5, z = x + 0.25;
    for (int i = 0; i < ROUNDS; i++) {
        if (change)
            change(from, to);
        else
            wf_context_switch(from, to);
        a += b ^ 1, b += c ^ 2, c += d ^ 3, d += e ^ 4, e += f ^ 5, f += a ^ 6;
        x += y * 0.5, y -= z * 0.25, z += x * 0.125, x = x > 1e9 ? x * 1e-9 : x;
        y = y < -1e9 ? y * 1e-9 : y, z = z > 1e9 ? z * 1e-9 : z;
    }
    return a ^ b ^ c ^ d ^ e ^ f ^ (uint64_t)(int64_t)(x + y + z);
}

static void do_nothing(struct wf_context *from, struct wf_context *to)
{
    (void)from, (void)to;
}

static WF_NOINLINE uint64_t mix_alone(uint64_t seed)
{
    switch_function *volatile change = do_nothing;
    return mix(NULL, NULL, seed, change);
}

static uint64_t other_result;
static switch_function *other_change; /* NULL: the inline form */

static void mix_entry(void *arg)
{
    uint64_t seed = (uint64_t)(uintptr_t)arg;
    other_result = other_change ? mix(&other, &test_context, seed, other_change)
                                : mix(&other, &test_context, seed, NULL);
    wf_context_switch_final(&other, &test_context);
}

static void check_ping_pong(switch_function *ours, switch_function *theirs)
{
    other_change = theirs;
    start_other(mix_entry, (void *)(uintptr_t)77);
    uint64_t result =
        ours ? mix(&test_context, &other, 11, ours) : mix(&test_context, &other, 11, NULL);
    wf_context_switch(&test_context, &other);
    assert_int_equal(result, mix_alone(11));
    assert_int_equal(other_result, mix_alone(77));
    finish_other();
}

static void test_context_inline_keeps_locals(void **state)
{
    (void)state;
    check_ping_pong(NULL, NULL);
    check_ping_pong(inline_switch, inline_switch);
}

static void test_context_outofline_keeps_locals(void **state)
{
    (void)state;
    check_ping_pong(wf_context_switch_outofline, wf_context_switch_outofline);
}

static void test_context_inline_and_outofline_interoperate(void **state)
{
    (void)state;
    check_ping_pong(NULL, wf_context_switch_outofline);
    check_ping_pong(wf_context_switch_outofline, NULL);
}

static void ask(struct wf_context *from, struct wf_context *to)
{
    wf_context_ask(from, to, 0);
}

static void answer(struct wf_context *from, struct wf_context *to)
{
    wf_context_answer(from, to, 0);
}

static void test_context_ask_and_answer_keep_locals(void **state)
{
    (void)state;
    check_ping_pong(ask, answer);
    check_ping_pong(answer, ask);
    check_ping_pong(ask, NULL); /* any context may be resumed either way */
    check_ping_pong(NULL, answer);
}

static void double_entry(void *arg)
{
    int asked = wf_context_answer(&other, &test_context, *(int *)arg);
    for (int i = 0; i < 10; i++)
        asked = wf_context_answer(&other, &test_context, 2 * asked);
    wf_context_answer_final(&other, &test_context, -1);
}

static void test_context_ask_and_answer_hand_over_values(void **state)
{
    (void)state;
    int first = 17;
    start_other(double_entry, &first);
    assert_int_equal(wf_context_ask(&test_context, &other, 0), 17);
    for (int i = 0; i < 10; i++)
        assert_int_equal(wf_context_ask(&test_context, &other, i), 2 * i);
    assert_int_equal(wf_context_ask(&test_context, &other, 0), -1);
    finish_other();
}

/* ---- registers ---- */

#if defined(__x86_64__)

enum { CALLEE_SAVED = 5 };

typedef float vector __attribute__((vector_size(32)));

/* Ruins every register a context may, so that a value left in one is seen to be lost. */
static void ruin_entry(void *arg)
{
    (void)arg;
    for (;;) {
        __asm__ volatile("xorl %%ebx, %%ebx\n\txorl %%r12d, %%r12d\n\txorl %%r13d, %%r13d\n\t"
                         "xorl %%r14d, %%r14d\n\txorl %%r15d, %%r15d\n\t" ::
                             : "rbx", "r12", "r13", "r14", "r15");
        __asm__ volatile("pcmpeqd %%xmm0, %%xmm0\n\tmovaps %%xmm0, %%xmm1\n\t"
                         "movaps %%xmm0, %%xmm2\n\tmovaps %%xmm0, %%xmm3\n\t"
                         "movaps %%xmm0, %%xmm4\n\tmovaps %%xmm0, %%xmm5\n\t"
                         "movaps %%xmm0, %%xmm6\n\tmovaps %%xmm0, %%xmm7\n\t"
                         "movaps %%xmm0, %%xmm8\n\tmovaps %%xmm0, %%xmm9\n\t"
                         "movaps %%xmm0, %%xmm10\n\tmovaps %%xmm0, %%xmm11\n\t"
                         "movaps %%xmm0, %%xmm12\n\tmovaps %%xmm0, %%xmm13\n\t"
                         "movaps %%xmm0, %%xmm14\n\tmovaps %%xmm0, %%xmm15\n\t" ::
                             : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
                               "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
                               "xmm15");
        wf_context_switch(&other, &test_context);
    }
}

/* What each callee-saved register holds after a call of `change` that set out with known values.
 * The frame pointer is checked by the locals around it. */
static void registers_across(switch_function *change, uint64_t found[CALLEE_SAVED])
{
    __asm__ volatile("movq $101, %%rbx\n\tmovq $102, %%r12\n\tmovq $103, %%r13\n\t"
                     "movq $104, %%r14\n\tmovq $105, %%r15\n\t"
                     "subq $136, %%rsp\n\tpushq %[found]\n\t"
                     "callq *%[change]\n\t"
                     "popq %%rax\n\taddq $136, %%rsp\n\t"
                     "movq %%rbx, (%%rax)\n\tmovq %%r12, 8(%%rax)\n\tmovq %%r13, 16(%%rax)\n\t"
                     "movq %%r14, 24(%%rax)\n\tmovq %%r15, 32(%%rax)\n\t"
                     : [change] "+a"(change), [found] "+d"(found)
                     : "D"(&test_context), "S"(&other)
                     : "rbx", "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm0",
                       "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                       "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "memory", "cc");
}

__attribute__((target("avx2"))) static WF_NOINLINE float vectors_across(const float *input)
{
    vector a, b, c, sum;
    memcpy(&a, input, sizeof(a));
    b = a * 2.0f, c = a + b;
    wf_context_switch(&test_context, &other);
    sum = a + b * c;
    wf_context_switch(&test_context, &other);
    sum += a - c;
    float total = 0;
    for (int i = 0; i < 8; i++)
        total += sum[i];
    return total;
}

static void test_context_whole_vectors_survive(void **state)
{
    (void)state;
    static const float input[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    if (!__builtin_cpu_supports("avx2"))
        skip();
    float expected = 0;
    for (int i = 0; i < 8; i++)
        expected += input[i] + 2 * input[i] * 3 * input[i] + input[i] - 3 * input[i];
    start_other(ruin_entry, NULL);
    assert_true(vectors_across(input) == expected);
    finish_other();
}

static WF_NOINLINE long double x87_across(long double value)
{
    long double twice = value * 2;
    wf_context_switch(&test_context, &other);
    return value + twice;
}

static void test_context_x87_values_survive(void **state)
{
    (void)state;
    volatile long double value = 1.25L;
    start_other(ruin_entry, NULL);
    assert_true(x87_across(value) == 3.75L);
    finish_other();
}

#elif defined(__aarch64__)

enum { CALLEE_SAVED = 10 + 8 };

/* Ruins every register a context may, so that a value left in one is seen to be lost. */
static void ruin_entry(void *arg)
{
    (void)arg;
    for (;;) {
        __asm__ volatile("mov x19, xzr\n\tmov x20, xzr\n\tmov x21, xzr\n\tmov x22, xzr\n\t"
                         "mov x23, xzr\n\tmov x24, xzr\n\tmov x25, xzr\n\tmov x26, xzr\n\t"
                         "mov x27, xzr\n\tmov x28, xzr\n\tmov x18, xzr\n\tmov x30, xzr\n\t" ::
                             : "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27",
                               "x28", "x30");
        __asm__ volatile("movi v8.16b, #255\n\tmovi v9.16b, #255\n\tmovi v10.16b, #255\n\t"
                         "movi v11.16b, #255\n\tmovi v12.16b, #255\n\tmovi v13.16b, #255\n\t"
                         "movi v14.16b, #255\n\tmovi v15.16b, #255\n\t" ::
                             : "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15");
        wf_context_switch(&other, &test_context);
    }
}

/* What each callee-saved register holds after a call of `change` that set out with known values.
 * The frame pointer is checked by the locals around it. */
static void registers_across(switch_function *change, uint64_t found[CALLEE_SAVED])
{
    register switch_function *x8 __asm__("x8") = change;
    register uint64_t *x9 __asm__("x9") = found;
    register struct wf_context *x0 __asm__("x0") = &test_context, *x1 __asm__("x1") = &other;
    __asm__ volatile("mov x19, #101\n\tmov x20, #102\n\tmov x21, #103\n\tmov x22, #104\n\t"
                     "mov x23, #105\n\tmov x24, #106\n\tmov x25, #107\n\tmov x26, #108\n\t"
                     "mov x27, #109\n\tmov x28, #110\n\t"
                     "mov x10, #111\n\tfmov d8, x10\n\tmov x10, #112\n\tfmov d9, x10\n\t"
                     "mov x10, #113\n\tfmov d10, x10\n\tmov x10, #114\n\tfmov d11, x10\n\t"
                     "mov x10, #115\n\tfmov d12, x10\n\tmov x10, #116\n\tfmov d13, x10\n\t"
                     "mov x10, #117\n\tfmov d14, x10\n\tmov x10, #118\n\tfmov d15, x10\n\t"
                     "str %[found], [sp, #-16]!\n\t"
                     "blr %[change]\n\t"
                     "ldr x9, [sp], #16\n\t"
                     "stp x19, x20, [x9]\n\tstp x21, x22, [x9, #16]\n\tstp x23, x24, [x9, #32]\n\t"
                     "stp x25, x26, [x9, #48]\n\tstp x27, x28, [x9, #64]\n\t"
                     "stp d8, d9, [x9, #80]\n\tstp d10, d11, [x9, #96]\n\t"
                     "stp d12, d13, [x9, #112]\n\tstp d14, d15, [x9, #128]\n\t"
                     : "+r"(x0), "+r"(x1), [change] "+r"(x8), [found] "+r"(x9)
                     :
                     : "x2", "x3", "x4", "x5", "x6", "x7", "x10", "x11", "x12", "x13", "x14", "x15",
                       "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26",
                       "x27", "x28", "x30", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8",
                       "v9", "v10", "v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19",
                       "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30",
                       "v31", "memory", "cc");
}

#endif

#if defined(__x86_64__) || defined(__aarch64__)

static void test_context_callee_saved_registers_survive(void **state)
{
    (void)state;
    switch_function *forms[] = { wf_context_switch_outofline, inline_switch, ask };
    for (size_t form = 0; form < WF_ARRAY_SIZE(forms); form++) {
        uint64_t found[CALLEE_SAVED];
        start_other(ruin_entry, NULL);
        registers_across(forms[form], found);
        for (uint64_t i = 0; i < CALLEE_SAVED; i++)
            assert_int_equal(found[i], 101 + i);
        finish_other();
    }
}

#endif

/* A leaf but for the switch: its locals may lie in the red zone. */
static WF_NOINLINE int red_zone_across(const int *input)
{
    volatile int local[8];
    for (int i = 0; i < 8; i++)
        local[i] = input[i];
    wf_context_switch(&test_context, &other);
    int sum = 0;
    for (int i = 0; i < 8; i++)
        sum += local[i];
    return sum;
}

/* Where locals are found by a base pointer: the frame pointer is too far up for the aligned ones,
 * the stack pointer has moved by what nobody knew. */
static WF_NOINLINE int realigned_across(const int *input, size_t count)
{
    _Alignas(128) volatile int aligned[8];
    volatile int *variable = __builtin_alloca(count * sizeof(int));
    for (size_t i = 0; i < count; i++)
        aligned[i] = input[i], variable[i] = 10 * input[i];
    wf_context_switch(&test_context, &other);
    int sum = (uintptr_t)aligned % 128 ? 1000000 : 0;
    for (size_t i = 0; i < count; i++)
        sum += aligned[i] + variable[i];
    return sum;
}

static void echo_entry(void *arg)
{
    (void)arg;
    for (;;)
        wf_context_switch(&other, &test_context);
}

static void test_context_red_zone_survives(void **state)
{
    (void)state;
    static const int input[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    start_other(echo_entry, NULL);
    assert_int_equal(red_zone_across(input), 36);
    finish_other();
}

#if defined(__x86_64__) || defined(__aarch64__)
#    define BASE_RUINER ruin_entry
#else
#    define BASE_RUINER echo_entry
#endif

static void test_context_frames_with_a_base_pointer_survive(void **state)
{
    (void)state;
    static const int input[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    start_other(BASE_RUINER, NULL);
    assert_int_equal(realigned_across(input, WF_ARRAY_SIZE(input)), 36 * 11);
    finish_other();
}

/* ---- the first frame ---- */

static char printed[64];
static uintptr_t entry_misalignment;

static void print_entry(void *arg)
{
    _Alignas(16) volatile char aligned[16] = { 0 };
    entry_misalignment = (uintptr_t)aligned % 16;
    snprintf(printed, sizeof(printed), "%.3f %s", 2.5, (const char *)arg);
    wf_context_switch_final(&other, &test_context);
}

static void test_context_entry_has_its_argument_and_alignment(void **state)
{
    (void)state;
    start_other(print_entry, "done");
    wf_context_switch(&test_context, &other);
    assert_string_equal(printed, "2.500 done");
    assert_int_equal(entry_misalignment, 0);
    finish_other();
}

static void test_context_odd_stack_bounds_are_aligned(void **state)
{
    (void)state;
    start_other(echo_entry, NULL);
    wf_context_fini(&other);
    wf_context_init(&other, other_stack.low + 3, other_stack.size - 12, print_entry, "odd");
    wf_context_switch(&test_context, &other);
    assert_string_equal(printed, "2.500 odd");
    finish_other();
}

static int backtrace_depth;
static int chain_depth;

static int frame_pointer_depth(void)
{
    int depth = 0;
    for (void **frame = __builtin_frame_address(0); frame && depth < 100; frame = *frame)
        depth++;
    return depth;
}

static void backtrace_entry(void *arg)
{
    (void)arg;
    void *frames[100];
    backtrace_depth = backtrace(frames, 100);
    chain_depth = frame_pointer_depth();
    wf_context_switch_final(&other, &test_context);
}

static void test_context_backtrace_ends(void **state)
{
    (void)state;
    start_other(backtrace_entry, NULL);
    wf_context_switch(&test_context, &other);
    assert_in_range(backtrace_depth, 1, 6);
    assert_in_range(chain_depth, 1, 6);
    finish_other();
}

static void return_entry(void *arg)
{
    (void)arg;
}

static void test_context_entry_that_returns_traps(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        signal(SIGILL, SIG_DFL);
        start_other(return_entry, NULL);
        wf_context_switch(&test_context, &other);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- many contexts ---- */

#define RING 100

static struct wf_context ring[RING];
static int visits;

static void ring_entry(void *arg)
{
    int index = (int)(intptr_t)arg;
    for (int round = 0; round < 10; round++) {
        visits++;
        wf_context_switch(&ring[index], index + 1 < RING ? &ring[index + 1] : &test_context);
    }
    wf_context_switch_final(&ring[index], &test_context);
}

static void test_context_ring_visits_each_in_turn(void **state)
{
    (void)state;
    struct wf_stack stacks[RING];
    wf_stack_pool_init(&pool, 0);
    wf_context_main(&test_context);
    for (intptr_t i = 0; i < RING; i++) {
        assert_int_equal(wf_stack_get(&pool, WF_STACK_SMALL, &stacks[i]), 0);
        wf_context_init(&ring[i], stacks[i].low, stacks[i].size, ring_entry, (void *)i);
    }
    for (int round = 0; round < 10; round++)
        wf_context_switch(&test_context, &ring[0]);
    assert_int_equal(visits, 10 * RING);
    for (int i = 0; i < RING; i++) {
        wf_context_switch(&test_context, &ring[i]);
        wf_context_fini(&ring[i]);
        wf_stack_put(&pool, &stacks[i]);
    }
    wf_context_fini(&test_context);
    assert_int_equal(wf_stack_pool_fini(&pool), 0);
}

/* Switches from the bottom of a recursion, at every level on the way back. */
static WF_NOINLINE int recurse(int depth)
{
    volatile char pad[64];
    pad[0] = (char)depth;
    int below = depth > 1 ? recurse(depth - 1) : 0;
    wf_context_switch(&other, &test_context);
    return below + 1 + (pad[0] != (char)depth);
}

static int recursion_result;

static void recurse_entry(void *arg)
{
    recursion_result = recurse((int)(intptr_t)arg);
    wf_context_switch_final(&other, &test_context);
}

static void test_context_deep_recursion_survives(void **state)
{
    (void)state;
    start_other(recurse_entry, (void *)(intptr_t)100);
    for (int i = 0; i <= 100; i++)
        wf_context_switch(&test_context, &other);
    assert_int_equal(recursion_result, 100);
    finish_other();
}

static void test_context_never_started_can_be_forgotten(void **state)
{
    (void)state;
    start_other(echo_entry, NULL);
    finish_other();
}

/* ---- the dead part of the stack ---- */

static WF_NOINLINE void *address_of_dead_local(void)
{
    char local[256];
    void *volatile address = local;
    memset(local, 1, sizeof(local));
    return address;
}

static bool found_dead, found_dead_below, found_own, found_static;

static void dead_entry(void *arg)
{
    (void)arg;
    char own[16];
    memset(own, 0, sizeof(own));
    void *dead = address_of_dead_local();
    found_dead = wf_context_is_dead_frame(&other, dead);
    found_dead_below = wf_context_is_dead_below(&other, dead, __builtin_frame_address(0));
    found_own = wf_context_is_dead_frame(&other, own);
    found_static = wf_context_is_dead_frame(&other, &found_dead);
    wf_context_switch_final(&other, &test_context);
}

static void test_context_dead_frames_are_found(void **state)
{
    (void)state;
    start_other(dead_entry, NULL);
    wf_context_switch(&test_context, &other);
    assert_true(found_dead);
    assert_true(found_dead_below);
    assert_false(found_own);
    assert_false(found_static);
    finish_other();
}

static void test_context_main_knows_its_stack(void **state)
{
    (void)state;
    char *here = __builtin_frame_address(0);
    wf_context_main(&test_context);
    assert_true(here > test_context.stack_low);
    assert_true(here < test_context.stack_low + test_context.stack_size);
    assert_true(wf_context_is_dead_frame(&test_context, test_context.stack_low));
    wf_context_fini(&test_context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_context_inline_keeps_locals),
        cmocka_unit_test(test_context_outofline_keeps_locals),
        cmocka_unit_test(test_context_inline_and_outofline_interoperate),
        cmocka_unit_test(test_context_ask_and_answer_keep_locals),
        cmocka_unit_test(test_context_ask_and_answer_hand_over_values),
#if defined(__x86_64__) || defined(__aarch64__)
        cmocka_unit_test(test_context_callee_saved_registers_survive),
#endif
#if defined(__x86_64__)
        cmocka_unit_test(test_context_whole_vectors_survive),
        cmocka_unit_test(test_context_x87_values_survive),
#endif
        cmocka_unit_test(test_context_red_zone_survives),
        cmocka_unit_test(test_context_frames_with_a_base_pointer_survive),
        cmocka_unit_test(test_context_entry_has_its_argument_and_alignment),
        cmocka_unit_test(test_context_odd_stack_bounds_are_aligned),
        cmocka_unit_test(test_context_backtrace_ends),
        cmocka_unit_test(test_context_entry_that_returns_traps),
        cmocka_unit_test(test_context_ring_visits_each_in_turn),
        cmocka_unit_test(test_context_deep_recursion_survives),
        cmocka_unit_test(test_context_never_started_can_be_forgotten),
        cmocka_unit_test(test_context_dead_frames_are_found),
        cmocka_unit_test(test_context_main_knows_its_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
