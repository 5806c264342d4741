/* The floor under a stack switch: two coroutines in one piece of assembly.
 *
 * Each turn does what no switch can do without (push the address to go on at, store the stack
 * pointer where somebody may find it, load the other one, pop the other's address, jump) and
 * counts. No registers are saved, because both loops agree not to use them: a library cannot know
 * that, so this is a bound, not a rival. */

#include "floor/switch_floor.h"
#include "bench.h"

#include <string.h>

#if defined(__x86_64__)

static void *first_sp, *second_sp;

static void ping_pong(unsigned long rounds)
{
    static _Alignas(64) char stack[4096];
    second_sp = stack + sizeof(stack);
    __asm__ volatile("leaq -128(%%rsp), %%rsp\n\t"
                     /* second coroutine's first address on its stack */
                     "leaq 3f(%%rip), %%rax\n\t"
                     "subq $8, (%[second])\n\t"
                     "movq (%[second]), %%rdx\n\t"
                     "movq %%rax, (%%rdx)\n\t"
                     ".p2align 5\n"
                     "1:\n\t"
                     "leaq 2f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "movq %%rsp, (%[first])\n\t"
                     "movq (%[second]), %%rsp\n\t"
                     "popq %%rax\n\t"
                     "jmpq *%%rax\n"
                     "2:\n\t"
                     "decq %[rounds]\n\t"
                     "jnz 1b\n\t"
                     "jmp 4f\n"
                     "3:\n\t"
                     "leaq 3b(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "movq %%rsp, (%[second])\n\t"
                     "movq (%[first]), %%rsp\n\t"
                     "popq %%rax\n\t"
                     "jmpq *%%rax\n"
                     "4:\n\t"
                     "leaq 128(%%rsp), %%rsp\n\t"
                     : [rounds] "+r"(rounds)
                     : [first] "r"(&first_sp), [second] "r"(&second_sp)
                     : "rax", "rdx", "memory", "cc");
}

double switch_floor_ns(void *rounds)
{
    double start = bench_now_ns();
    ping_pong(*(unsigned long *)rounds);
    return (bench_now_ns() - start) / (2.0 * (double)*(unsigned long *)rounds);
}

/* One switch out of a loop to each of `count` coroutines in turn, and one back in each, `turns`
 * times over. Who resumes a coroutine leaves its place in rdx, so that it need not know it. */
static void go_round(void **sps, unsigned long count, unsigned long turns)
{
    void **end = sps + count, **next;
    __asm__ volatile("leaq -128(%%rsp), %%rsp\n\t"
                     /* every coroutine's first address on its stack */
                     "leaq 3f(%%rip), %%rax\n\t"
                     "movq %[sps], %[next]\n"
                     "0:\n\t"
                     "subq $8, (%[next])\n\t"
                     "movq (%[next]), %%rdx\n\t"
                     "movq %%rax, (%%rdx)\n\t"
                     "addq $8, %[next]\n\t"
                     "cmpq %[end], %[next]\n\t"
                     "jne 0b\n\t"
                     ".p2align 5\n"
                     "1:\n\t"
                     "movq %[sps], %[next]\n"
                     "2:\n\t"
                     "leaq 4f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "movq %%rsp, (%[first])\n\t"
                     "movq %[next], %%rdx\n\t"
                     "movq (%%rdx), %%rsp\n\t"
                     "popq %%rax\n\t"
                     "jmpq *%%rax\n"
                     "3:\n\t"
                     "leaq 3b(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "movq %%rsp, (%%rdx)\n\t"
                     "movq (%[first]), %%rsp\n\t"
                     "popq %%rax\n\t"
                     "jmpq *%%rax\n"
                     "4:\n\t"
                     "addq $8, %[next]\n\t"
                     "cmpq %[end], %[next]\n\t"
                     "jne 2b\n\t"
                     "decq %[turns]\n\t"
                     "jnz 1b\n\t"
                     "leaq 128(%%rsp), %%rsp\n\t"
                     : [turns] "+r"(turns), [next] "=&r"(next)
                     : [sps] "r"(sps), [end] "r"(end), [first] "r"(&first_sp)
                     : "rax", "rdx", "memory", "cc");
}

double switch_floor_ring_ns(void *arg)
{
    const struct switch_floor_ring *ring = arg;
    unsigned long turns = ring->rounds / ring->count;
    void *sps[SWITCH_FLOOR_RING_MAX];
    memcpy(sps, ring->stack_tops, ring->count * sizeof *sps);
    double start = bench_now_ns();
    go_round(sps, ring->count, turns);
    return (bench_now_ns() - start) / (2.0 * (double)ring->count * (double)turns);
}

#else

/* Nothing to compare with: ratios read as plain figures. */
double switch_floor_ns(void *rounds)
{
    (void)rounds;
    return 1;
}

double switch_floor_ring_ns(void *ring)
{
    (void)ring;
    return 1;
}

#endif
