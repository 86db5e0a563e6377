-- An older Supabase project grants new sequences to everybody. Numbers of records are drawn by the tables' owner only,
-- inside the functions: nobody else may draw, read or set them.

revoke all on all sequences in schema public from public, anon, authenticated, service_role;
