//! Who somebody is: passwords, tokens, sign-up, sign-in and sign-out, to an `Identity`. Knows nothing of HTTP.
