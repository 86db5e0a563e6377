"""The used part of Supabase Auth: passwords, sessions and the administration of users."""
