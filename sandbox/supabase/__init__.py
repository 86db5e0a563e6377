"""A Supabase of one machine: real Postgres, and a gateway for the part of PostgREST and Auth that is used here."""
