/* The lifecycle, the set's lifecycle and the journal's commits, for spin (https://spinroot.com).
 *
 * `tools/model.py` puts in front of this text what stands in fsm/lifecycle.py: the numbers of the states, the
 * tables as RUN_MOVE(state, event) and SET_MOVE(state, event) with CRASH as one of the events, NONE where there is no move,
 * LIMIT, and the phases of a plan.
 *
 * What is in the journal, and what is on the host, is global. What only an updater knows is local to its process, and
 * lost when it dies. Each `atomic` line of a process is one instruction with at most one commit; an updater may die
 * between any two of them.
 */

#ifdef ONE
#define STARTS  2  /* updates that are asked for */
#define RETRIES 1  /* times that a person takes up a failed rollback again */
#else
#define STARTS  1
#define RETRIES 0
#endif
#ifndef CRASHES
#define CRASHES LIMIT  /* deaths, where they are counted, and requests to stop */
#endif

/* ---- the journal, and the host that it is about ---- */

typedef Run {              /* the newest run of a component */
    byte state = IDLE;
    byte attempt;
    byte position;         /* the step that is done or undone */
    bool in_progress;
    bool cancel;
    bool of_set;           /* it belongs to the set's newest run */
    bool small;            /* its plan has one step, in `updating`; else it has one in each phase */
    bool started[STEPS];   /* the rows "step started", "step done", "undo done" */
    bool done[STEPS];
    bool undone[STEPS];
    byte effect[STEPS]     /* not the journal: what the step has changed on the host */
};
#define NOTHING 0
#define HALF    1          /* begun, or all of it done and not synced yet */
#define WHOLE   2

typedef SetRun {
    byte state = IDLE;
    byte attempt;
    bool in_progress;
    bool cancel;
    bool seen;             /* there is a row "resumed", which says how far the members were */
    bool got_on;           /* a member is further now */
    bool paused            /* a row "interrupted" is newer */
};

Run runs[COMPONENTS];
SetRun whole;              /* the run of the set of both components */

bool locked[COMPONENTS];   /* locks die with their process */
byte drivers[COMPONENTS];  /* updaters at work on a component, whatever the locks say */
byte crashes = CRASHES, starts = STARTS, retries = RETRIES;
byte target, each;         /* used within one instruction only */

#define RESTS(state)    (RUN_MOVE(state, CRASH) == NONE)
#define FORWARD(state)  (state == PHASE_0 || state == PHASE_1 || state == PHASE_2)
#define LAST(c)         (runs[c].small -> 0 : STEPS - 1)
#define GOAL(c)         (runs[c].of_set -> VERIFIED : DONE)
#define PLANNED(c, i)   (runs[c].small -> UPDATING : (i == 0 -> PHASE_0 : (i == 1 -> PHASE_1 : PHASE_2)))
#define PHASE(c, i)     (i > LAST(c) -> GOAL(c) : PLANNED(c, i))

/* ---- the guard, and what is true after every commit ---- */

inline fire(c, event) {
    assert(RUN_MOVE(runs[c].state, event) != NONE);     /* IllegalMove */
    runs[c].state = RUN_MOVE(runs[c].state, event)
}

inline fire_set(event) {
    assert(SET_MOVE(whole.state, event) != NONE);
    whole.state = SET_MOVE(whole.state, event)
}

inline committed(c) {
    runs[c].attempt = 1;
    whole.got_on = whole.seen;
    runs[c].in_progress = !RESTS(runs[c].state);
    assert(runs[c].in_progress || RUN_MOVE(runs[c].state, START) != NONE);      /* no dead end */
    each = 0;
    do
    :: each > LAST(c) || runs[c].in_progress || runs[c].state == FAILED -> break
    :: else ->                                          /* all of the new version runs, or all of the old one */
        assert(runs[c].effect[each] == (runs[c].state == DONE -> WHOLE : NOTHING));
        each++
    od;
    each = 0
}

#define IS(c, s)    (runs[c].of_set && runs[c].state == s)
#define ALL(s)      ((!runs[0].of_set || runs[0].state == s) && (!runs[1].of_set || runs[1].state == s))
#define ACTIVE(c)   (runs[c].of_set && runs[c].in_progress)

inline set_committed() {
    whole.attempt = 1;
    whole.in_progress = (SET_MOVE(whole.state, CRASH) != NONE);
    whole.seen = whole.seen && whole.in_progress; whole.got_on = whole.got_on && whole.in_progress;
    assert(whole.in_progress || SET_MOVE(whole.state, START) != NONE);
    assert(whole.state == DONE -> ALL(DONE) : !IS(0, DONE) && !IS(1, DONE));    /* a set is never found torn */
    assert(whole.state != ROLLED_BACK || ALL(ROLLED_BACK));
    assert(whole.in_progress || (!ACTIVE(0) && !ACTIVE(1)))                     /* and leaves nobody behind */
}

/* ---- the executor: one instruction of whoever drives a component's run ---- */

#define AWAY     0  /* pc: does not drive this run */
#define WAITS    1  /* a set's thread that has not begun */
#define TAKEN    2  /* has the lock, and has read the run of one that died */
#define READY    3  /* the state and the step are in the journal: the work may begin */
#define ACTING   4  /* in the middle of `do` or `undo` */
#define ACTED    5  /* it is done and synced, and the journal does not say so yet */
#define REFUSED  6  /* it failed, or was cancelled, and the journal does not say so yet */
#define OVER     7  /* `drive` has returned */
#define DRIVES(c)  (pc[c] >= TAKEN && pc[c] <= REFUSED)

inline begin(c, with_set) {                             /* Journal.begin */
    assert(!runs[c].in_progress);
    fire(c, START);
    runs[c].of_set = with_set;
    runs[c].cancel = false;
    runs[c].position = 0;
    each = 0;
    do
    :: each == STEPS -> break
    :: else ->
        runs[c].started[each] = false;
        runs[c].done[each] = false;
        runs[c].undone[each] = false;
        runs[c].effect[each] = NOTHING;
        each++
    od;
    committed(c)
}

inline go_to(c, i) {                                    /* RunRecord.events_to: up to a step, or to the goal */
    target = PHASE(c, i);
    do
    :: runs[c].state == target -> break
    :: runs[c].state == PHASE_2 && target == VERIFIED -> fire(c, WAIT)
    :: runs[c].state != target && !(runs[c].state == PHASE_2 && target == VERIFIED) -> fire(c, OK)
    od;
    target = 0;
    if
    :: i <= LAST(c) -> runs[c].position = i; runs[c].started[i] = true
    :: else
    fi;
    committed(c)
}

inline turn_back(c) { fire(c, FAIL); committed(c) }     /* Forward.fail, Forward.cancel, Executor.rollback */

inline take_up(c) {                                     /* Executor.resume */
    if
    :: runs[c].state == VERIFIED -> pc[c] = OVER                    /* it waits for the others, and its service runs */
    :: runs[c].state == VERIFIED -> turn_back(c); pc[c] = READY     /* or does not start */
    :: runs[c].state != VERIFIED && runs[c].attempt < LIMIT ->
        runs[c].state = RUN_MOVE(runs[c].state, CRASH);
        runs[c].attempt++;
        pc[c] = READY
    :: runs[c].state != VERIFIED && runs[c].attempt >= LIMIT -> fire(c, STUCK); committed(c); pc[c] = READY
    fi
}

inline look_for_update(c) {                             /* Executor._check, Forward.begin */
    if
    :: runs[c].small = false; go_to(c, 0)
    :: runs[c].small = true; go_to(c, 0)
    :: fire(c, UP_TO_DATE); committed(c)
    :: turn_back(c)
    fi
}

inline begin_do(c, i) {                                 /* write before act: the journal says already what begins */
    assert(runs[c].state == PHASE(c, i) && runs[c].started[i] && !runs[c].done[i]);
    runs[c].effect[i] = HALF;
    pc[c] = ACTING
}

inline begin_undo(c, i) {
    assert(runs[c].state == ROLLING_BACK && runs[c].started[i]);
    assert(!runs[c].undone[i]);                         /* nothing is undone twice */
    runs[c].effect[i] = (runs[c].effect[i] == NOTHING -> NOTHING : HALF);
    pc[c] = ACTING
}

inline finish_do(c, i) {                                /* Forward._finish: "this step ended, the next one starts" */
    assert(runs[c].effect[i] == WHOLE);
    runs[c].done[i] = true;
    go_to(c, i + 1);
    pc[c] = READY
}

inline finish_undo(c, i) {                              /* Backward._finish */
    assert(runs[c].effect[i] == NOTHING);
    runs[c].undone[i] = true;
    if
    :: i > 0 -> runs[c].position = i - 1
    :: else -> fire(c, OK)                              /* the last undo and the end of the run are one commit */
    fi;
    committed(c);
    pc[c] = READY
}

inline fail_undo(c) {                                   /* Backward.fail */
    if
    :: runs[c].attempt < LIMIT -> runs[c].attempt++
    :: else -> fire(c, FAIL); committed(c)
    fi;
    pc[c] = READY
}

inline stop(c) { crashes--; runs[c].attempt--; pc[c] = OVER }  /* Executor._pause: that does not count as an attempt */

#define AT(c, where)  (pc[c] == where && !RESTS(runs[c].state) && runs[c].state != VERIFIED)
#define BACKWARD(c)   (runs[c].state == ROLLING_BACK)

inline advance(c) {                                     /* Executor.drive */
    at = runs[c].position;
    if
    :: pc[c] == TAKEN -> take_up(c)
    :: pc[c] == READY && !AT(c, READY) -> pc[c] = OVER
    :: AT(c, READY) && runs[c].state == CHECKING -> look_for_update(c)
    :: AT(c, READY) && FORWARD(runs[c].state) && !runs[c].cancel -> begin_do(c, at)
    :: AT(c, READY) && BACKWARD(c) -> begin_undo(c, at)
    :: AT(c, READY) && runs[c].state != CHECKING -> pc[c] = REFUSED     /* also: its service cannot be kept down */
    :: AT(c, READY) && crashes > 0 -> stop(c)
    :: AT(c, ACTING) && FORWARD(runs[c].state) -> runs[c].effect[at] = WHOLE; pc[c] = ACTED
    :: AT(c, ACTING) && BACKWARD(c) -> runs[c].effect[at] = NOTHING; pc[c] = ACTED
    :: AT(c, ACTING) -> pc[c] = REFUSED
    :: AT(c, ACTED) && FORWARD(runs[c].state) -> finish_do(c, at)
    :: AT(c, ACTED) && BACKWARD(c) -> finish_undo(c, at)
    :: AT(c, REFUSED) && FORWARD(runs[c].state) -> turn_back(c); pc[c] = READY
    :: AT(c, REFUSED) && BACKWARD(c) -> fail_undo(c)
    fi;
    at = 0
}

/* ---- locks, and the end of everything ---- */

/* Who finds a component locked is refused: that changes nothing, so it is not written out. */
#define FREE(c)    (!locked[c])
#define OWNED(c)   (whole.in_progress && runs[c].of_set)
#define AT_REST    (!runs[0].in_progress && !runs[1].in_progress && !whole.in_progress && starts == 0 && \
                    (retries == 0 || (runs[0].state != FAILED && runs[1].state != FAILED)))

inline lock(c)   { locked[c] = true; drivers[c]++; assert(drivers[c] == 1) }
inline unlock(c) { locked[c] = false; drivers[c]--; pc[c] = AWAY }

#ifdef ONE
/* ---- one component: fsm update, fsm resume, fsm rollback, fsm cancel ---- */

proctype Updater(byte c) {
    byte pc[COMPONENTS], at;
    do
    :: atomic { pc[c] == AWAY && FREE(c) && runs[c].in_progress && runs[c].state != VERIFIED -> lock(c); pc[c] = TAKEN }
    :: atomic { pc[c] == AWAY && FREE(c) && runs[c].in_progress && !BACKWARD(c) -> lock(c); turn_back(c); pc[c] = READY }
    :: atomic { pc[c] == AWAY && FREE(c) && !runs[c].in_progress && !OWNED(c) && starts > 0 ->
        lock(c); starts--; begin(c, false); pc[c] = READY }
    :: atomic { pc[c] == AWAY && FREE(c) && runs[c].state == FAILED && retries > 0 ->
        lock(c); retries--; fire(c, RETRY); committed(c); pc[c] = READY }
    :: atomic { DRIVES(c) -> advance(c) }
    :: atomic { pc[c] == OVER -> unlock(c) }
    :: atomic { DRIVES(c) && pc[c] != TAKEN -> unlock(c) }                  /* dies, as often as you like: LIMIT ends that */
    :: atomic { pc[c] == TAKEN && crashes > 0 -> crashes--; unlock(c) }     /* dies before it has written that it goes on */
    :: atomic { pc[c] == AWAY && AT_REST -> break }
    od
}

proctype Canceller() {                                  /* asks without a lock; whoever drives the run sees it */
    if
    :: atomic { runs[0].in_progress -> runs[0].cancel = true }
    :: AT_REST
    fi
}
#endif

#ifdef SET
/* ---- the set: fsm update @set, fsm resume, fsm cancel @set ---- */

#define PLANS    1  /* me: in `checking`, or on the way to the next state */
#define FORTH    2  /* the members' threads are at work */
#define BACK     3  /* the members are rolled back, the last one first */
#define RESUMES  4  /* has the locks, and has read the run of one that died */

#define MAY_TAKE      (me == AWAY && FREE(0) && FREE(1))
#define RETURNED(c)   (pc[c] == AWAY || pc[c] == OVER)

inline unlock_all() {
    unlock(0); unlock(1);
    me = AWAY; halted = false; resumed = false; went[0] = false; went[1] = false
}

inline begin_set() {                                    /* SetDriver.begin */
    fire_set(START);
    whole.cancel = false; whole.seen = false; whole.got_on = false; whole.paused = false;
    runs[0].of_set = false; runs[1].of_set = false;
    set_committed()
}

inline resume_set() {                                   /* SetDriver.resume: any member's progress is the set's */
    resumed = true;
    target = (whole.got_on -> (whole.paused -> 1 : 2) : whole.attempt + 1);
    if
    :: target > LIMIT && whole.state != ROLLING_BACK -> fire_set(STUCK); set_committed()
    :: else ->
        whole.state = SET_MOVE(whole.state, CRASH);
        whole.attempt = (target > LIMIT -> LIMIT : target);
        whole.seen = true; whole.got_on = false; whole.paused = false
    fi;
    target = 0;
    me = PLANS
}

inline pause_set() {                                    /* SetDriver._pause */
    whole.attempt = (whole.attempt > 0 -> whole.attempt - 1 : 0);
    whole.paused = true;
    unlock_all()
}

inline begin_member(c) { begin(c, true); runs[c].small = true; go_to(c, 0) }

inline plan_set() {                                     /* SetDriver._check: the members' runs begin in one commit */
    if
    :: begin_member(0); begin_member(1); fire_set(OK)
    :: begin_member(0); fire_set(OK)                    /* the other one is up to date */
    :: fire_set(UP_TO_DATE)
    :: fire_set(FAIL)
    fi;
    set_committed()
}

inline begin_thread(c) {                                /* SetDriver._drive */
    if
    :: !runs[c].of_set || halted -> pc[c] = OVER
    :: runs[c].of_set && !halted && whole.cancel -> halted = true; pc[c] = OVER
    :: runs[c].of_set && !halted && !whole.cancel -> pc[c] = (resumed -> TAKEN : READY); went[c] = true
    fi
}

#define CUT_SHORT(c)  (went[c] && ACTIVE(c) && runs[c].state != VERIFIED)

inline conclude(c) {                                    /* Executor.conclude */
    if
    :: runs[c].of_set -> fire(c, OK); committed(c)
    :: else
    fi
}

inline decide() {                                       /* SetDriver._commit: the one point at which the set is done */
    if
    :: CUT_SHORT(0) || CUT_SHORT(1) -> pause_set()
    :: !CUT_SHORT(0) && !CUT_SHORT(1) && !whole.cancel && ALL(VERIFIED) ->
        conclude(0); conclude(1); fire_set(OK); set_committed(); unlock_all()
    :: !CUT_SHORT(0) && !CUT_SHORT(1) && (whole.cancel || !ALL(VERIFIED)) ->
        fire_set(FAIL); set_committed(); pc[0] = AWAY; pc[1] = AWAY; me = BACK
    fi
}

inline send_back(c) {                                   /* SetDriver._backward, one member */
    if
    :: BACKWARD(c) -> pc[c] = TAKEN
    :: else -> turn_back(c); pc[c] = READY
    fi
}

inline end_backward() {
    if
    :: IS(0, FAILED) || IS(1, FAILED) -> fire_set(FAIL)
    :: !IS(0, FAILED) && !IS(1, FAILED) -> fire_set(OK)
    :: resumed -> fire_set(FAIL)                        /* a boot has ended an old version, and it does not start */
    fi;
    set_committed();
    unlock_all()
}

proctype SetUpdater() {
    byte pc[COMPONENTS], me, c, at;
    bool resumed, halted, went[COMPONENTS];             /* went: its thread did something */
    do
    :: atomic { MAY_TAKE && whole.in_progress -> lock(0); lock(1); me = RESUMES }
    :: atomic { MAY_TAKE && whole.in_progress && whole.state != ROLLING_BACK ->             /* fsm cancel */
        lock(0); lock(1); resumed = true; fire_set(FAIL); set_committed(); me = PLANS }
    :: atomic { MAY_TAKE && !whole.in_progress && starts > 0 -> lock(0); lock(1); starts--; begin_set(); me = PLANS }
    :: atomic { me == RESUMES -> resume_set() }
    :: atomic { me == PLANS && whole.state == CHECKING -> plan_set() }
    :: atomic { me == PLANS && whole.state == UPDATING ->
        halted = runs[0].of_set && !runs[0].in_progress || runs[1].of_set && !runs[1].in_progress;
        me = FORTH; pc[0] = WAITS; pc[1] = WAITS }
    :: atomic { me == PLANS && whole.state == ROLLING_BACK -> me = BACK }
    :: atomic { me == PLANS && !whole.in_progress -> unlock_all() }
    :: atomic { pc[0] == WAITS || pc[1] == WAITS ->
        if
        :: pc[0] == WAITS -> c = 0
        :: pc[1] == WAITS -> c = 1
        fi;
        begin_thread(c); c = 0 }
    :: atomic { DRIVES(0) || DRIVES(1) ->
        if
        :: DRIVES(0) -> c = 0
        :: DRIVES(1) -> c = 1
        fi;
        advance(c);
        halted = halted || (pc[c] == OVER && runs[c].state != VERIFIED);
        c = 0 }
    :: atomic { me == FORTH && pc[0] == OVER && pc[1] == OVER -> decide() }
    :: atomic { me == BACK && RETURNED(0) && RETURNED(1) && (ACTIVE(0) || ACTIVE(1)) ->
        c = ACTIVE(1);
        if
        :: pc[c] == AWAY -> send_back(c)
        :: else -> pause_set()                          /* that one was interrupted */
        fi;
        c = 0 }
    :: atomic { me == BACK && RETURNED(0) && RETURNED(1) && !ACTIVE(0) && !ACTIVE(1) -> end_backward() }
    :: atomic { me != AWAY && crashes > 0 -> crashes--; unlock_all() }
    :: atomic { me == AWAY && AT_REST -> break }
    od
}

proctype Canceller() {                                  /* asks without a lock; whoever drives the runs sees it */
    if
    :: atomic { whole.in_progress -> whole.cancel = true; runs[0].cancel = ACTIVE(0); runs[1].cancel = ACTIVE(1) }
    :: AT_REST
    fi
}
#endif

init { atomic { fill(); SCENARIO } }
