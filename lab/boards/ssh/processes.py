"""Scripts of POSIX sh that start and end programs on a board and find what they left: no bash, no agent, no /usr/bin.

Every program is started with the variable :data:`MARK` in its environment, which all its descendants inherit; by it
they are found in ``/proc`` wherever they went. Only processes younger than the campaign are looked at: reading the
environment of each costs two more processes.
"""

from __future__ import annotations

MARK = "LAB_PROCESS_GROUP"
"""Environment variable of everything that the lab starts on a board; its value is the campaign's token."""

NO_FOLDER = 97
"""Exit status of ``run`` if the program's folder is not there."""

PROCESSES = r"""
# Of the lab: run a program and end what it leaves.   sh processes.sh COMMAND MARK=TOKEN ...
# Several marks to stop by stand in one argument, a line each.
own=${0%/*}
mark=$2

marked() {  # all living processes with the mark in their environment
  read -r oldest <"$own/since" || oldest=0
  for folder in /proc/[0-9]*; do
    read -r stat <"$folder/stat" || continue
    set -- ${stat##*) }
    case ${20} in
      *[!0-9]* | '') ;;  # a name with a line break in it
      *) [ "${20}" -ge "$oldest" ] || continue ;;
    esac
    tr '\0' '\n' <"$folder/environ" | grep -qxF "$mark" && echo "${folder#/proc/}"
  done
} 2>/dev/null

nap() { sleep 0.05 || sleep 1; } 2>/dev/null

finish() {  # kill until nothing is left: what is left may have made more meanwhile
  tries=0
  while found=$(marked); [ -n "$found" ] && [ $tries -lt 50 ]; do
    kill -KILL $found
    nap
    tries=$((tries + 1))
  done
} 2>/dev/null

stop() {  # politely; a stopped process sees that only when it goes on; after two seconds not any more
  found=$(marked)
  [ -n "$found" ] || return 0
  kill -TERM $found
  kill -CONT $found
  tries=0
  while found=$(marked); [ -n "$found" ] && [ $tries -lt 20 ]; do
    nap
    tries=$((tries + 1))
  done
  finish
} 2>/dev/null

run() {  # DEADLINE LIMIT FOLDER STDOUT STDERR ARGV...; says on standard output how it went
  deadline=$1 limit=$2 folder=$3 out=$4 err=$5
  shift 5
  exec 3<&0
  cd "$folder" || exit 97
  rm -f "$own/out.pipe" "$own/err.pipe" "$own/deadline"
  mkfifo "$own/out.pipe" "$own/err.pipe" || exit 98
  head -c "$limit" <"$own/out.pipe" >"$out" 3<&- &
  out_copier=$!
  head -c "$limit" <"$own/err.pipe" >"$err" 3<&- &
  err_copier=$!
  # The lab closes our standard input to stop the program; it closes by itself when the connection ends.
  ( read -r word <&3; stop ) >/dev/null &
  watcher=$!
  timer=
  if [ -n "$deadline" ]; then
    (
      trap 'kill $!; exit' TERM
      sleep "$deadline" &
      wait $!
      : >"$own/deadline"
      stop
    ) >/dev/null 2>&1 3<&- &
    timer=$!
  fi
  times >"$own/times.begin"
  read -r begin rest </proc/uptime
  # In the foreground: in the background it would ignore SIGINT, and pass that on.
  ( exec "$@" </dev/null >"$own/out.pipe" 2>"$own/err.pipe" 3<&- )
  status=$?
  read -r end rest </proc/uptime
  times >"$own/times.end"
  kill $watcher $timer
  [ -z "$timer" ] || wait $timer
  finish
  # Whoever still holds the program's output open took the mark off; it is not waited for.
  ( trap 'kill $!; exit' TERM; sleep 2 & wait $!; kill $out_copier $err_copier ) &
  patience=$!
  wait $out_copier
  wait $err_copier
  kill $patience
  wait $patience
  echo "bytes $(wc -c <"$out") $(wc -c <"$err")"
  echo "status $status"
  echo "uptime $begin $end"
  [ ! -e "$own/deadline" ] || echo "deadline"
  cat "$own/times.begin" "$own/times.end"
} 2>/dev/null

case $1 in
  begin)  # when this shell began, in the kernel's ticks since boot: field 22 of stat(5)
    read -r stat </proc/self/stat && set -- ${stat##*) } && echo "${20}" >"$own/since"
    ;;
  stop) stop ;;
  run) shift 2; run "$@" ;;
esac
"""
"""Kept in the campaign's folder on the board."""

UPTIME_CLOCK = 'while read -r word; do read -r up rest </proc/uptime; echo "$up"; done'
"""Answers each line with the seconds since the board's start, in steps of 10 ms."""

RAW_CLOCKS: dict[str, tuple[str, ...]] = {
    "python3": (
        "python3",
        "-u",
        "-c",
        "import sys, time\nfor line in iter(sys.stdin.readline, ''):\n"
        "    t = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)\n"
        "    print(f'{t // 10**9}.{t % 10**9:09d}', flush=True)",
    ),
    "perl": (
        "perl",
        "-MTime::HiRes=clock_gettime",
        "-e",
        '$| = 1; while (<STDIN>) { printf("%.9f\\n", clock_gettime(4)) }',
    ),
}
"""Answer each line with the seconds of CLOCK_MONOTONIC_RAW, on boards that have an interpreter which can tell."""

ABILITIES = r"""
able() { "$@" >/dev/null 2>&1 && echo "$name"; }
name=setsid; able setsid true
name=taskset; able taskset 1 true || able taskset -c 0 true
name=nice; able nice -n 0 true
name=fifo; rm -f "$1/.fifo"; able mkfifo "$1/.fifo"; rm -f "$1/.fifo"
name=head; [ "$(printf abc | head -c 2)" = ab ] && echo head
name=fractions; able sleep 0.01
name=python3; able python3 -c 'import time; time.CLOCK_MONOTONIC_RAW'
name=perl; able perl -MTime::HiRes=clock_gettime -e 'exit(clock_gettime(4) <= 0)'
name=proc; read -r up rest </proc/uptime && [ -r /proc/self/environ ] && echo proc
true
"""
"""Says what the board's tools can do, a word a line; ``$1`` is a folder to try it in."""
