pub fn policy() -> Result<(), String> {
    Ok(())
}
