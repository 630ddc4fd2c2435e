"""A fleet under fire: real workers over a real PostgreSQL, all of which is killed again and again.

`sagas` is what runs, `participants` what it does to the world outside, `worker` and `nursery`
are the processes, `fleet` and `faults` what is done to them, `client` who starts the sagas,
`verdict` whether all promises were kept. `run` puts them together.
"""
