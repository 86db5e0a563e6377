"""A Supabase of one machine: real Postgres, and a gateway for what is used here of PostgREST and Auth."""
