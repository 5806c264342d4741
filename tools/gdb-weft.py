"""gdb commands that know weft's tasks, for running programs and for cores.

    gdb -x tools/gdb-weft.py -p PID             gdb -x tools/gdb-weft.py PROGRAM CORE

    weft tasks      every task: number, state, name, what it waits for, where it was spawned
    weft tree       the same as the tree of scopes
    weft bt N       the C stack of a task, with arguments and lines

They need libweft's debug information, which the default build has. Nothing in the program is called
and no register is written, so they work on a core, and on a program that hangs in a task that never
suspends. Loops are found through each thread's wf_newest; a number that two loops have is written
LOOP.N.

A suspended task is three words (context.h): sp, fp, pc. For `weft bt` an unwinder of ours answers
for gdb's innermost frame and says that its caller is there; gdb does the rest. That frame itself
is left out of what is printed.

Of cores: where the kernel marks guard pages in the page table (Linux 6.13), gdb's own gcore stops at
the first mark in a mapping and leaves the stacks behind it out. The kernel's cores have them."""
import re

import gdb
from gdb.unwinder import Unwinder

STATES = 'new', 'ready', 'running', 'parked', 'done'
SCOPE = 1                       # enum wf_region_kind
ONE = 0                         # enum wf_quorum
# enum wf_stackless_phase; None: its waiter says it
PHASES = 'new', 'ready', 'running', 'ready', 'waits for sleep', 'waits for its turn', None, 'done'


def null(pointer):
    return int(pointer) == 0


def text(pointer, none='?'):
    return none if null(pointer) else pointer.string(errors='replace')


def container(pointer, type_name, *path):
    """The struct of a type whose member (of a member …) is at a pointer."""
    kind, offset = gdb.lookup_type(type_name), 0
    inner = kind
    for name in path:
        field = inner.strip_typedefs()[name]
        offset += field.bitpos // 8
        inner = field.type
    return gdb.Value(int(pointer) - offset).cast(kind.pointer())


def each(head):
    """The links of a struct wf_list."""
    link = head['next']
    while not null(link) and link != head.address:
        yield link
        link = link['next']


class Task:
    def __init__(self, loop, pointer):
        self.loop, self.it = loop, pointer

    # Where things are in struct weft_task, and nowhere else.
    number = property(lambda self: int(self.it['identity']) & 0xffffffff)
    name = property(lambda self: text(self.it['name']))
    site = property(lambda self: text(field(self.it, 'site')))
    is_current = property(lambda self: self.it in (self.loop.it['current'],
                                                   self.loop.it['interrupted']))

    @property
    def state(self):
        state = STATES[int(self.it['state'])]
        if state == 'running' and not self.is_current:
            return 'started another'
        return state

    @property
    def wait(self):
        waiter = self.it['parked']
        if null(waiter) or self.state != 'parked':
            return ''
        kind = text(waiter['ops']['kind'])
        if int(waiter['ops']['quorum']) != ONE:
            return kind + ' several'
        if kind == 'task':
            target = Task(self.loop, waiter['object'].cast(gdb.lookup_type('weft_task').pointer()))
            kind += " %d '%s'" % (target.number, target.name)
        return kind

    def context(self):
        """(sp, fp, pc) while it is suspended on a stack, else None."""
        if null(self.it['fiber']) or self.is_current or self.state in ('new', 'done'):
            return None
        context = self.it['fiber']['context']
        return int(context['sp']), int(context['fp']), int(context['pc'])


def field(task, name):
    """A field of struct weft_task, or of the future inside it."""
    fields = [f.name for f in task.dereference().type.strip_typedefs().fields()]
    return task[name] if name in fields else task['future'][name]


def member_line(member):
    """Of no task: who it is, the file says that has its functions."""
    symtab = gdb.find_pc_line(int(member['ops']['name'])).symtab
    name = symtab.filename.rpartition('/')[2] if symtab else ''
    return {'parked.c': 'a parked client', 'serve.c': 'a server'}.get(name, 'a member')


class Loop:
    def __init__(self, number, thread, pointer):
        self.number, self.thread, self.it = number, thread, pointer
        self.task_ops = gdb.lookup_static_symbol('task_member_ops')
        self.stackless_ops = gdb.lookup_static_symbol('stackless_member_ops')

    def is_task(self, member):
        return self.task_ops is not None and member['ops'] == self.task_ops.value().address

    def is_stackless(self, member):
        return (self.stackless_ops is not None and
                member['ops'] == self.stackless_ops.value().address)

    def walk(self, region=None, depth=0):
        """(depth, kind, value) of all in the tree: 'scope', 'task', 'stackless', 'member'."""
        todo = [(self.it['background']['region'].address, 0)]
        while todo:
            region, depth = todo.pop()
            below = [] if null(region['inner']) else [region['inner']]
            if int(region['kind']) == SCOPE:
                scope = container(region, 'struct wf_scope', 'region')
                yield depth, 'scope', scope
                below += [container(link, 'struct wf_member', 'link')['region'].address
                          for link in each(scope['members'])]
            else:
                member = container(region, 'struct wf_member', 'region')
                if self.is_task(member):
                    yield depth, 'task', Task(self, container(member, 'weft_task', 'member'))
                elif self.is_stackless(member):
                    yield depth, 'stackless', container(member, 'struct wf_stackless', 'member')
                else:
                    yield depth, 'member', member
            todo += [(r, depth + 1) for r in reversed(below)]

    def tasks(self):
        return [value for _, kind, value in self.walk() if kind == 'task']


def loops():
    """Of all threads."""
    found, seen, before = [], set(), gdb.selected_thread()
    if before is None:
        raise gdb.GdbError('weft: there is no process and no core')
    frame = gdb.selected_frame()
    problem = None
    try:
        for thread in sorted(gdb.selected_inferior().threads(), key=lambda t: t.num):
            thread.switch()
            try:
                loop = gdb.parse_and_eval("wf_newest")
                while not null(loop) and int(loop) not in seen:
                    seen.add(int(loop))
                    found.append(Loop(len(found) + 1, thread, loop))
                    loop = loop['older']
            except gdb.error as error:
                problem = error
    finally:
        before.switch()
        frame.select()
    if not found:
        raise gdb.GdbError('weft: no thread has a loop%s' % (' (%s)' % problem if problem else ''))
    return found


def task_line(task):
    wait = task.wait
    return "task %d '%s', %s%s; spawned at %s" % (
        task.number, task.name, task.state, ': waits for ' + wait if wait else '', task.site)


def scope_line(scope):
    live = int(scope['live'])
    words = ["scope '%s' begun at %s: %d member%s" % (
        text(scope['name'], 'scope'), text(scope['site']), live, '' if live == 1 else 's')]
    words += ['isolates'] if scope['isolate'] else []
    words += ['shields'] if scope['region']['shield'] else []
    words += ['cancelled'] if int(scope['region']['effective']) else []
    return ', '.join(words)


def stackless_line(it):
    phase, kind, step = int(it['waiter']['phase']), it['kind'], it['step']
    name = text(kind['name'], text(kind['function']))
    wait = PHASES[phase]
    if wait is None:
        wait = 'waits for ' + text(it['waiter']['ops']['kind'])
    return "stackless task '%s', %s, then %s; defined at %s" % (
        name, wait, gdb.block_for_pc(int(step)).function, text(kind['site']))


LINES = {'scope': scope_line, 'task': task_line, 'stackless': stackless_line, 'member': member_line}


def loop_line(loop):
    return 'loop %d, of thread %d' % (loop.number, loop.thread.num)


class Command(gdb.Command):
    """One that explains itself when memory is missing."""

    def __init__(self, name):
        super().__init__(name, gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        try:
            self.run(argument)
        except gdb.MemoryError as error:
            raise gdb.GdbError('weft: %s: is it in the core? gdb\'s gcore leaves out mappings with '
                               'guard marks, the kernel does not' % error)


class Weft(gdb.Command):
    """Look at weft's tasks: weft tasks, weft tree, weft bt N."""

    def __init__(self):
        super().__init__('weft', gdb.COMMAND_STACK, prefix=True)


class Tasks(Command):
    """List every task: number, state, name, what it waits for, where it was spawned."""

    def __init__(self):
        super().__init__('weft tasks')

    def run(self, argument):
        for loop in loops():
            print(loop_line(loop))
            rows = [('number', 'state', 'name', 'waits for', 'spawned at')]
            rows += [(str(t.number), t.state, t.name, t.wait, t.site) for t in loop.tasks()]
            widths = [max(len(row[i]) for row in rows) for i in range(4)]
            for row in rows:
                print('  '.join([row[0].rjust(widths[0])] + [
                    cell.ljust(width) for cell, width in zip(row[1:4], widths[1:])] + [row[4]]))


class Tree(Command):
    """Show the tree of scopes and tasks."""

    def __init__(self):
        super().__init__('weft tree')

    def run(self, argument):
        for loop in loops():
            print(loop_line(loop))
            for depth, kind, value in loop.walk():
                print('  ' * depth + LINES[kind](value))


class FrameId:
    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc


# What gdb calls a context's three words.
REGISTERS = {'aarch64': ('sp', 'x29', 'pc')}


def registers(frame):
    return REGISTERS.get(frame.architecture().name(), ('rsp', 'rbp', 'rip'))


class Bridge(Unwinder):
    """While it has a target, the innermost frame's caller is the suspended task."""

    def __init__(self):
        super().__init__('weft')
        self.here = self.target = self.names = None

    def __call__(self, frame):
        if self.target is None:
            return None
        sp, pc = frame.read_register(self.names[0]), frame.read_register(self.names[2])
        if (int(sp), int(pc)) != self.here:
            return None
        to_sp, to_fp, to_pc = (gdb.Value(word).cast(gdb.lookup_type('unsigned long'))
                               for word in self.target)
        info = frame.create_unwind_info(FrameId(to_sp - 256, pc))  # below: gdb checks the order
        for name, value in zip(self.names, (to_sp, to_fp, to_pc)):
            info.add_saved_register(name, value)
        return info


bridge = Bridge()
gdb.unwinder.register_unwinder(None, bridge, replace=True)


def find(argument):
    found = re.fullmatch(r'(?:(\d+)\.)?(\d+)', argument.strip())
    if not found:
        raise gdb.GdbError('usage: weft bt N, the number of a task')
    tasks = [t for loop in loops() if found[1] is None or loop.number == int(found[1])
             for t in loop.tasks() if t.number == int(found[2])]
    if not tasks:
        raise gdb.GdbError('weft: no task has the number %s' % argument.strip())
    if len(tasks) > 1:
        raise gdb.GdbError('weft: several loops have a task %s; which one: %s' % (
            found[2], ', '.join('%d.%d' % (t.loop.number, t.number) for t in tasks)))
    return tasks[0]


def without_first(trace):
    """A backtrace without its frame 0, counted anew."""
    frames = re.split(r'(?m)^(?=#\d)', trace)[2:]
    return ''.join(re.sub(r'^#\d+ +', '#%-2d ' % number, frame)
                   for number, frame in enumerate(frames))


class Backtrace(Command):
    """Print the C stack of a task: weft bt N."""

    def __init__(self):
        super().__init__('weft bt')

    def run(self, argument):
        task = find(argument)
        print(task_line(task))
        context = task.context()
        if context is None and task.state == 'running':
            before = gdb.selected_thread()
            task.loop.thread.switch()
            print(gdb.execute('backtrace', to_string=True), end='')
            before.switch()
        elif context is None:
            print('it has no stack')
        else:
            print(without_first(self.trace(context)), end='')

    @staticmethod
    def trace(context):
        selected = gdb.selected_frame()
        newest = gdb.newest_frame()
        bridge.names = sp, _, pc = registers(newest)
        bridge.here = int(newest.read_register(sp)), int(newest.read_register(pc))
        bridge.target = context
        level = selected.level() if hasattr(selected, 'level') else 0
        try:
            gdb.invalidate_cached_frames()
            return gdb.execute('backtrace', to_string=True)
        finally:
            bridge.target = None
            gdb.invalidate_cached_frames()
            gdb.execute('frame %d' % level, to_string=True)


Weft()
Tasks()
Tree()
Backtrace()
