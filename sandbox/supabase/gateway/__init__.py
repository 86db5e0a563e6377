"""The HTTP front of the sandbox's Supabase: the used part of PostgREST over an ordinary Postgres."""
