"""Due times computed without any of Consign's code or libraries: cron texts read by cron(5), zones by Python's zoneinfo.

Reads lines `zone, cron, step, from, to, offsets, due times` (tabs between; times in Unix seconds; offsets as `time:seconds,...`) and says where its own
due times in (from, to] differ. It walks the instants in steps and fires what the wall clock has newly reached, so it knows no rule for gaps and folds.
A line whose offsets this machine's tables do not bear out is skipped and named.
"""

import sys
from datetime import date, datetime, timedelta
from zoneinfo import TZPATH, ZoneInfo

MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
WEEKDAYS = "sun mon tue wed thu fri sat".split()


def field(text, low, high, names=()):
    values = set()
    for part in text.split(","):
        part, _, step = part.partition("/")
        first, dash, last = part.partition("-")
        number = lambda word: names.index(word.lower()) + low if word.lower() in names else int(word)
        if part == "*":
            first, last = low, high
        elif dash:
            first, last = number(first), number(last)
        else:
            first, last = number(first), high if step else number(first)
        values.update(range(first, last + 1, int(step or 1)))
    return values


class Cron:
    def __init__(self, text):
        minute, hour, day, month, weekday = text.split()
        self.times = {60 * h + m for h in field(hour, 0, 23) for m in field(minute, 0, 59)}
        self.days = field(day, 1, 31)
        self.months = field(month, 1, 12, MONTHS)
        self.weekdays = {value % 7 for value in field(weekday, 0, 6, WEEKDAYS)}
        self.either = not day.startswith("*") and not weekday.startswith("*")
        self.known = {}

    def fits_day(self, number):
        if number not in self.known:
            on = date(1970, 1, 1) + timedelta(days=number)
            by_day, by_weekday = on.day in self.days, on.isoweekday() % 7 in self.weekdays
            self.known[number] = on.month in self.months and ((by_day or by_weekday) if self.either else (by_day and by_weekday))
        return self.known[number]

    def fits(self, local):
        return local // 60 % 1440 in self.times and self.fits_day(local // 86400)


def offset(zone, at):
    return int(datetime.fromtimestamp(at, zone).utcoffset().total_seconds())


def due(cron, locals_, start, step):
    reached, found, at = locals_[0], [], start
    for local in locals_[1:]:
        at += step
        if local > reached:
            if any(cron.fits(passed) for passed in range(reached + step, local + 1, step)):
                found.append(at)
            reached = local
    return found


def version():
    for folder in TZPATH:
        try:
            with open(folder + "/tzdata.zi") as file:
                return file.readline().split()[-1]
        except OSError:
            pass
    return "unknown"


def main():
    crons, compared, left_out, skipped, window, locals_ = {}, 0, 0, set(), None, []
    for line in sys.stdin:
        name, text, step, start, end, offsets, theirs = line.rstrip("\n").split("\t")
        step, start, end = int(step), int(start), int(end)
        zone = ZoneInfo(name)
        if any(offset(zone, int(at)) != int(seconds) for at, seconds in (pair.split(":") for pair in offsets.split(","))):
            skipped.add(name)
            left_out += 1
            continue
        if window != (name, step, start, end):
            window = (name, step, start, end)
            locals_ = [at + offset(zone, at) for at in range(start, end + 1, step)]
        cron = crons.setdefault(text, Cron(text))
        ours, theirs = due(cron, locals_, start, step), [int(word) for word in theirs.split()]
        compared += 1
        if ours != theirs:
            print("DIFFERS", name, repr(text), "here only:", sorted(set(ours) - set(theirs))[:5], "there only:", sorted(set(theirs) - set(ours))[:5])
    print("SKIPPED", *sorted(skipped))
    print("DONE", compared, left_out, version())


main()
