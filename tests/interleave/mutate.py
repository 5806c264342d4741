#!/usr/bin/env python3
"""Write a copy of a source file with one mistake in it, which the checker must find.

usage: mutate.py NAME SOURCE OUTPUT
"""
import sys

# name -> what stands in the source, once, and what stands in the mutant instead.
MUTANTS = {
    # The loop looks for mail before it says that it sleeps.
    'sleep': ("""    atomic_exchange(&inbox->asleep, true);
    struct wf_mail *head = atomic_load(&inbox->head);
""", """    struct wf_mail *head = atomic_load(&inbox->head);
    atomic_exchange(&inbox->asleep, true);
"""),
    # Each sender that finds the loop asleep makes a system call.
    'wake': ('if (atomic_load(&inbox->asleep) && atomic_exchange(&inbox->asleep, false))',
             'if (atomic_load(&inbox->asleep))'),
    # What comes between the two is lost.
    'take': ('return oldest_first(atomic_exchange_explicit(&inbox->head, NULL, memory_order_acquire));',
             'struct wf_mail *all = atomic_load(&inbox->head); atomic_store(&inbox->head, NULL);'
             ' return oldest_first(all);'),
    # A post during the call is taken for a part of it.
    'notice': ("""    atomic_store(&notice->state, IDLE);
    if (!closed)
        wf_callback_run(notice->loop, &callback);
""", """    if (!closed)
        wf_callback_run(notice->loop, &callback);
    atomic_store(&notice->state, IDLE);
"""),
    # Two producers claim one place.
    'claim': ("""    } while (!atomic_compare_exchange_weak_explicit(&ring->tail, &tail, tail + 2,
                                                    memory_order_acq_rel, memory_order_relaxed));
""", """    } while (false);
    atomic_store(&ring->tail, tail + 2);
"""),
    # Who wants the bell does not look again.
    'want': ("""    wf_doorbell_want(&box->bell);
    hand_out(box);
""", """    wf_doorbell_want(&box->bell);
"""),
    # The bell is answered after the look.
    'answer': ("""    wf_doorbell_answer(&box->bell);
    if (closed)
        return; /* the end hook sees to everything */
    work(box);
""", """    work(box);
    wf_doorbell_answer(&box->bell);
    if (closed)
        return;
"""),
    # Who is bound leaves when its time is over.
    'bound': ('if (!remote->seen.bound && leave(remote))', 'if (leave(remote))'),
    # The other loop may free the inbox before the push has come back; ASan sees it.
    'away': ('return wf_inbox_push_away(remote->home, &remote->done) == 0;',
             'return wf_inbox_push(remote->home, &remote->done) == 0;'),
    # A sender that has left gets its item in all the same.
    'offer': ("""    if (!decide(offer, TAKEN)) {
        offer_unref(offer);
        return;
    }
""", """    decide(offer, TAKEN);
"""),
}


def main():
    name, source, output = sys.argv[1:]
    before, after = MUTANTS[name]
    with open(source, encoding='utf-8') as file:
        text = file.read()
    if text.count(before) != 1:
        sys.exit('mutate.py: %s: the text of mutant %s is not there once' % (source, name))
    with open(output, 'w', encoding='utf-8') as file:
        file.write(text.replace(before, after))


main()
