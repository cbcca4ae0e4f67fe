"""Many runs: suites, plans, the pool, summaries, statistics."""
