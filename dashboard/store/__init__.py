"""The only code that speaks to Supabase: one file per noun, rpc refusals become our errors."""
