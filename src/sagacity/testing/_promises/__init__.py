"""The promises of the store port, by subject: one function each, named by what it promises."""
