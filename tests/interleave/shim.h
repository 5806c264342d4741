#ifndef WF_TESTS_INTERLEAVE_SHIM_H
#define WF_TESTS_INTERLEAVE_SHIM_H

/* Put in front of the library's real sources: before each atomic operation another thread may go
 * on, and what would sleep in the kernel asks the checker. There is one real thread, so plain
 * accesses do the work; the order is sequentially consistent. */

#include <stdatomic.h>
#include <stdbool.h>

void il_point(void);

#define write        il_write
#define wf_gate_init il_gate_init
#define wf_gate_fini il_gate_fini
#define wf_gate_pass il_gate_pass
#define wf_gate_wait il_gate_wait
#define thrd_yield   il_yield

#undef atomic_load
#undef atomic_load_explicit
#undef atomic_store
#undef atomic_store_explicit
#undef atomic_exchange
#undef atomic_exchange_explicit
#undef atomic_fetch_add
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub
#undef atomic_fetch_sub_explicit
#undef atomic_fetch_or
#undef atomic_compare_exchange_strong
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak
#undef atomic_compare_exchange_weak_explicit

#define atomic_load(p)                 (il_point(), *(p))
#define atomic_load_explicit(p, order) atomic_load(p)
#define atomic_store(p, v)                                                                         \
    __extension__({                                                                                \
        __auto_type il_value = (v);                                                                \
        il_point();                                                                                \
        *(p) = il_value;                                                                           \
    })
#define atomic_store_explicit(p, v, order) atomic_store(p, v)

/* old = *p; *p = what `change` makes of it. */
#define IL_MODIFY(p, v, change)                                                                    \
    __extension__({                                                                                \
        __auto_type il_p = (p);                                                                    \
        __auto_type il_v = (v);                                                                    \
        il_point();                                                                                \
        __auto_type il_old = ((void)0, *il_p);                                                     \
        *il_p = (change);                                                                          \
        il_old;                                                                                    \
    })
#define atomic_exchange(p, v)                  IL_MODIFY(p, v, il_v)
#define atomic_exchange_explicit(p, v, order)  atomic_exchange(p, v)
#define atomic_fetch_add(p, v)                 IL_MODIFY(p, v, il_old + il_v)
#define atomic_fetch_add_explicit(p, v, order) atomic_fetch_add(p, v)
#define atomic_fetch_sub(p, v)                 IL_MODIFY(p, v, il_old - il_v)
#define atomic_fetch_sub_explicit(p, v, order) atomic_fetch_sub(p, v)
#define atomic_fetch_or(p, v)                  IL_MODIFY(p, v, il_old | il_v)

#define atomic_compare_exchange_strong(p, expected, desired)                                       \
    __extension__({                                                                                \
        __auto_type il_p = (p);                                                                    \
        __auto_type il_expected = (expected);                                                      \
        __auto_type il_desired = (desired);                                                        \
        il_point();                                                                                \
        __auto_type il_old = ((void)0, *il_p);                                                     \
        bool il_same = il_old == *il_expected;                                                     \
        if (il_same)                                                                               \
            *il_p = il_desired;                                                                    \
        else                                                                                       \
            *il_expected = il_old;                                                                 \
        il_same;                                                                                   \
    })
#define atomic_compare_exchange_strong_explicit(p, e, d, yes, no)                                  \
    atomic_compare_exchange_strong(p, e, d)
#define atomic_compare_exchange_weak(p, e, d) atomic_compare_exchange_strong(p, e, d)
#define atomic_compare_exchange_weak_explicit(p, e, d, yes, no)                                    \
    atomic_compare_exchange_strong(p, e, d)

#endif
