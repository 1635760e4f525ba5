"""The queries there are, for the jobs and for what runs them all."""

NEXMARK_QUERIES = [
    "q0",
    "q1",
    "q2",
    "q3",
    "q4",
    "q5",
    "q7",
    "q8",
    "q9",
    "q10",
    "q11",
    "q12",
    "q15",
    "q17",
    "q18",
    "q19",
    "q20",
]
