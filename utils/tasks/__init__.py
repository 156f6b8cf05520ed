"""What each check tests, one file a lecture; `utils.checks` says what a task file is written with."""
