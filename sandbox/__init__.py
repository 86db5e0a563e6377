"""Local stand-ins for what a deployment has: Kestra, Supabase, the model and a service to act on."""
