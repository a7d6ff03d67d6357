"""What every server of the studio needs: who may come in, how much may be sent, how faults are reported."""
