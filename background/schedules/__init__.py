"""Schedules: jobs at the times of a cron line or an interval, one for each time, whichever worker makes it."""
