//! Ordered actions, each with its reason, and the checker that every plan passes before it becomes effects.
