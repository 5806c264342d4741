#include "peers/peer.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void become(const char *const words[], const int questions[2], const int answers[2])
{
    dup2(questions[0], STDIN_FILENO);
    dup2(answers[1], STDOUT_FILENO);
    execvp(words[0], (char *const *)(uintptr_t)words);
    _exit(127);
}

void peer_start(struct peer *peer, const char *name, const char *const words[])
{
    int questions[2], answers[2];
    *peer = (struct peer){ .name = name };
    signal(SIGPIPE, SIG_IGN); /* it may be missing: then it has no answer to anything */
    if (!words[0] || pipe2(questions, O_CLOEXEC) < 0)
        return;
    if (pipe2(answers, O_CLOEXEC) < 0 || (peer->process = fork()) < 0) {
        perror(name);
        exit(1);
    }
    if (peer->process == 0)
        become(words, questions, answers);
    close(questions[0]);
    close(answers[1]);
    peer->questions = fdopen(questions[1], "w");
    peer->answers = fdopen(answers[0], "r");
}

void peer_stop(struct peer *peer)
{
    if (!peer->questions)
        return;
    fclose(peer->questions);
    fclose(peer->answers);
    waitpid(peer->process, NULL, 0);
    peer->questions = NULL;
}

enum answer { ANSWER_TIME, ANSWER_HAS_NONE, ANSWER_ENDED };

static enum answer ask(struct peer *peer, const char *operation, long count, double *ns)
{
    char line[64];
    fprintf(peer->questions, "%s %ld\n", operation, count);
    fflush(peer->questions);
    if (!fgets(line, sizeof line, peer->answers))
        return ANSWER_ENDED;
    *ns = strtod(line, NULL);
    return *line == '-' ? ANSWER_HAS_NONE : ANSWER_TIME;
}

/* Nobody has an operation of this name. */
bool peer_is_here(struct peer *peer)
{
    double ns;
    if (peer->questions && ask(peer, "none", 1, &ns) == ANSWER_ENDED)
        peer_stop(peer);
    return peer->questions != NULL;
}

static _Noreturn void die(const struct peer_run *run, const char *why)
{
    fprintf(stderr, "%s: %s: %s\n", run->peer->name, run->operation, why);
    exit(1);
}

bool peer_has(const struct peer_run *run)
{
    double ns;
    enum answer answer = ask(run->peer, run->operation, run->count, &ns);
    if (answer == ANSWER_ENDED)
        die(run, "the peer has ended");
    return answer == ANSWER_TIME;
}

double peer_ns(void *arg)
{
    const struct peer_run *run = arg;
    double ns = 0;
    if (ask(run->peer, run->operation, run->count, &ns) == ANSWER_ENDED)
        die(run, "the peer has ended");
    if (ns <= 0)
        die(run, "no time for an answer");
    return ns;
}
