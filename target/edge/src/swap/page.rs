//! What a predecessor leaves at descriptor 3.
