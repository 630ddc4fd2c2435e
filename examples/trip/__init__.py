"""The trip: one saga, four services that misbehave, and a checker that trusts none of them."""
